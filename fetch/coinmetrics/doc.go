// Package coinmetrics is one provider: the community API of Coin Metrics, v4, in, market's types out. It has daily charts in
// USD and some on-chain metrics, for the assets of ids.csv, which is reviewed by hand: CoinGecko's id, theirs, and
// which of their metrics there are. A further asset is a further line.
//
// A row's time is the start of the day that it tells of. PriceUSD is that day's close, and CoinGecko's daily point is the
// price at an instant: so the row of day D is the point of D+1 00:00. That the time means the start is not verified;
// docs/providers.md says so. On-chain rows keep the start, as market's metrics do.
//
// Terms: CC BY-NC 4.0, not for commercial use. So nobody is asked here unless the configuration names it.
package coinmetrics
