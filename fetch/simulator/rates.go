package simulator

import (
	"math"

	"github.com/coingraph/coingraph/market"
)

// currency converts from USD: through a coin that is traded, or by a rate that drifts.
type currency struct {
	coin  *coin
	scale float64 // units a coin: 1 for btc, 1e6 for bits

	rate  float64 // units a USD at [Anchor]
	drift float64 // how much the rate's logarithm moves a day; 0 for a pegged one
	trend float64 // how much it rises a year
	walk  walk
	start float64 // the walk at [Anchor]
}

// coinCurrencies are the vs currencies that are coins.
var coinCurrencies = map[market.Currency]struct {
	asset string
	scale float64
}{
	"btc": {"bitcoin", 1}, "bits": {"bitcoin", 1e6}, "sats": {"bitcoin", 1e8},
	"eth": {"ethereum", 1}, "ltc": {"litecoin", 1}, "bch": {"bitcoin-cash", 1}, "bnb": {"binancecoin", 1},
	"eos": {"eos", 1}, "xrp": {"ripple", 1}, "xlm": {"stellar", 1}, "link": {"chainlink", 1}, "dot": {"polkadot", 1},
	"yfi": {"yearn-finance", 1}, "sol": {"solana", 1},
}

// moneyRates are units a USD: those of CoinGecko's snapshot of 2024-01-01, metals by their later price.
var moneyRates = map[market.Currency]struct{ rate, drift, trend float64 }{
	"usd": {1, 0, 0}, "bmd": {1, 0, 0}, "aed": {3.6728, 0, 0}, "bhd": {0.37755, 0, 0}, "sar": {3.7518, 0, 0},
	"hkd": {7.8091, 0.0001, 0}, "vef": {0.10013, 0, 0},
	"ars": {1350, 0.004, 0.45}, "try": {41, 0.004, 0.3}, "ngn": {1500, 0.005, 0.15}, "mmk": {2104, 0.001, 0.02},
	"aud": {1.468, 0.004, 0}, "bdt": {109.95, 0.001, 0.03}, "brl": {4.8525, 0.005, 0.02}, "cad": {1.325, 0.003, 0},
	"chf": {0.841, 0.003, -0.01}, "clp": {881.25, 0.005, 0.02}, "cny": {7.0788, 0.001, 0}, "czk": {22.38, 0.004, 0},
	"dkk": {6.7539, 0.003, 0}, "eur": {0.90599, 0.003, 0}, "gbp": {0.78555, 0.003, 0}, "gel": {2.685, 0.002, 0},
	"huf": {347.26, 0.005, 0.01}, "idr": {15397, 0.003, 0.01}, "ils": {3.6037, 0.004, 0}, "inr": {83.232, 0.002, 0.03},
	"jpy": {141.03, 0.004, 0.02}, "krw": {1295, 0.004, 0.01}, "kwd": {0.30763, 0.0003, 0}, "lkr": {324.51, 0.002, 0.04},
	"mxn": {16.974, 0.005, 0.01}, "myr": {4.5975, 0.003, 0}, "nok": {10.174, 0.005, 0.01}, "nzd": {1.5827, 0.004, 0},
	"php": {55.404, 0.002, 0.01}, "pkr": {279.38, 0.002, 0.05}, "pln": {3.93, 0.005, 0}, "rub": {89.249, 0.006, 0.05},
	"sek": {10.088, 0.004, 0}, "sgd": {1.3195, 0.002, 0}, "thb": {34.428, 0.003, 0}, "twd": {30.692, 0.002, 0},
	"uah": {38.095, 0.001, 0.05}, "vnd": {24269, 0.0008, 0.01}, "xdr": {0.74651, 0.002, 0}, "zar": {18.295, 0.006, 0.03},
	"xag": {0.021, 0.01, -0.05}, "xau": {0.00025, 0.006, -0.08},
}

func newMoney(s stream, rate, drift, trend float64) *currency {
	c := &currency{rate: rate, drift: drift, trend: trend, walk: newWalk(s)}
	c.start = c.walk.at(anchor)
	return c
}

// perUSD is what a drifting currency's rate is at an instant.
func (c *currency) perUSD(t int64) float64 {
	if c.drift == 0 {
		return c.rate
	}
	years := float64(t-anchor) / float64(365*day)
	return c.rate * math.Exp(c.trend*years+c.drift*(c.walk.at(t)-c.start))
}
