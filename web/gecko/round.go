package gecko

import (
	"math"
	"strconv"
)

// Precision is how many decimals prices have, or one of those below.
type Precision int

// The precisions that are no number of decimals.
const (
	Full Precision = -1 // all digits
	Auto Precision = -2 // CoinGecko's own choice
)

// MaxDecimals is the largest number of decimals.
const MaxDecimals = 18

// ParsePrecision reads "full" or a number of decimals.
func ParsePrecision(s string) (Precision, bool) {
	if s == "full" {
		return Full, true
	}
	if !precisionForm.MatchString(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return Precision(n), err == nil && n <= MaxDecimals
}

// Round gives the double nearest to the price with so many decimals; null (NaN) stays null. Prices in a coin have more
// decimals by CoinGecko's own choice than those in money.
func (p Precision) Round(price float64, coin bool) float64 {
	if p == Auto {
		p = auto(price, coin)
	}
	if p == Full || price != price {
		return price
	}
	var buf [400]byte
	r, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], price, 'f', int(p), 64)), 64)
	if err != nil { // cannot be: it is a number
		return price
	}
	return r
}

// auto is how CoinGecko rounds where no precision is asked for. It does not say how: this is what its recorded answers
// have in common, none of which is changed by it.
func auto(price float64, coin bool) Precision {
	switch {
	case price >= 20_000:
		return 0
	case coin && price >= 1:
		return 6
	case price >= 1.1:
		return 2
	case price >= 1:
		return 3
	case price >= 0.1 && !coin:
		return 6
	case price >= 1e-4:
		return 8
	case !(price > 0): // null as well
		return 0
	default: // six significant digits
		return Precision(5 - int(math.Floor(math.Log10(price))))
	}
}
