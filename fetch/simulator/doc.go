// Package simulator is a crypto market that does not exist, behind an HTTP handler that speaks CoinGecko's v3 wire format
// with its habits and faults, so that the product can be shown, tested and loaded without a network.
//
// # The market
//
// Prices are a pure function of seed, asset and instant: sums of value noise over periods from minutes to years, in
// log space, with a part that all assets share. One sample costs the same at any age, every process with the same seed
// tells the same history, and the market moves with the clock. At [Anchor] every asset has the price of the table.
// (The last digit may differ between processor architectures, which fuse multiplications differently.)
// Ids, symbols and names are those of CoinGecko's list; prices and supplies are of the right size and otherwise
// invented.
//
// # The wire format
//
// What endpoints, numbers, steps and errors look like follows CoinGecko's reference (docs.coingecko.com) and recorded
// answers. On purpose it keeps what breaks naive clients:
//
//   - hourly and 5-minutely points lie some seconds to minutes behind their slot, the same ones on each call;
//   - charts end with a point of now, off the grid and in whole seconds, which for an illiquid asset is as old as its
//     last trade and so may be older than the point before it;
//   - the day that ended appears ten minutes after midnight;
//   - illiquid assets have holes of many hours, constant prices and the volume 0.0;
//   - unverified supplies have the market cap 0.0, and single volumes drop to a seventh;
//   - market_caps lacks the row of 2017-04-02 for bitcoin and of each 2 April for dogecoin, and has null in its place
//     for litecoin (daily charts only).
//
// # The other vendors
//
// CryptoQuant's v1 tells of the same market: MVRV is the price over a mean of the year before, a reserve changes by what
// flows in less what flows out. Rows come newest first, that of the running period included; flows of past days change
// with [Simulator.Revise]. Coin Metrics, CoinPaprika and Binance have prices and charts of the same market in their own
// formats, as far as coingraph asks for them. Their ids are taken apart by symbol, which is enough for a market that does
// not exist.
//
// # Tests
//
// [Simulator.Inject] makes requests fail in the ways upstreams do, [Simulator.Hold] makes them wait,
// [Simulator.Calls] and [Simulator.Await] observe them, [Simulator.Price], [Simulator.Quote] and [Simulator.Chart] tell what
// the right values are. Faults and calls are there over HTTP too, below /_sim/, without any access control: it is a test tool.
package simulator
