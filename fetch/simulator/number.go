package simulator

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// appendFloat appends a double as the real API prints one: the shortest digits that read back equal, ".0" behind whole
// numbers below 1e14 and nothing behind larger ones (both seen), an exponent of two digits below 1e-4, and null for NaN.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case f != f:
		return append(b, "null"...)
	case abs != 0 && abs < 1e-4 || abs >= 1e17:
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if abs < 1e14 && f == math.Trunc(f) {
		b = append(b, ".0"...)
	}
	return b
}

// full is the precision of all digits, auto the one of quotes where none is asked for.
const (
	full = -1
	auto = -2
)

// appendPrice appends a price with so many decimals, without trailing zeros; none at all makes an integer.
func appendPrice(b []byte, f float64, decimals int) []byte {
	if f != f {
		return append(b, "null"...)
	}
	switch decimals {
	case full:
		return appendFloat(b, f)
	case 0:
		return strconv.AppendFloat(b, f, 'f', 0, 64)
	}
	return appendFloat(b, round(f, decimals))
}

// round is the double nearest to the decimal rounding.
func round(f float64, decimals int) float64 {
	var buf [400]byte
	r, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], f, 'f', decimals, 64)), 64)
	if err != nil {
		return f
	}
	return r
}

// decimals is how a quote is rounded by default, as recorded prices are.
func decimals(f float64, coin bool) int {
	switch {
	case f >= 20_000:
		return 0
	case coin && f >= 1: // 40.344918 eth
		return 6
	case coin && f >= 1e-4: // 0.2697573 eth
		return 8
	case f >= 1.1:
		return 2
	case f >= 1:
		return 3
	case f >= 0.1:
		return 6
	case f >= 1e-4:
		return 8
	case f <= 0:
		return 0
	default: // six significant digits: 5.58195e-07
		return 5 - int(math.Floor(math.Log10(f)))
	}
}

// quote is a JSON string, without the escapes that only HTML needs.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string and a buffer cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
