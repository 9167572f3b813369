// Package binance is one provider: the candles of Binance's spot market in, market's charts in USD out, for the assets of
// ids.csv, which is reviewed by hand: CoinGecko's id and Binance's pair with USDT. A further asset is a further line.
//
// USDT stands for USD, and the price is that of one venue: docs/providers.md says so. The price at an instant is the open
// of the candle that begins there, which does not change any more once the candle has begun; so the running candle
// serves as any other. There is no market cap, and the venue's volume is not the market's: both are missing.
package binance
