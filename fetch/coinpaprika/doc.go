// Package coinpaprika is one provider: CoinPaprika's v1 wire format in, market's types out. It has prices, and charts as far
// back as the plan gives, for the assets of ids.csv, which is reviewed by hand: CoinGecko's id and theirs. A further
// asset is a further line.
//
// That a historical value is of the instant of its timestamp, as CoinGecko's are, is not verified; docs/providers.md says so.
//
// Terms of the free plan: personal and not commercial. So nobody is asked here unless the configuration names it.
package coinpaprika
