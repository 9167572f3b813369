package market

import (
	"io"
	"math"
	"strconv"
)

// Number is a value as upstream sent it, bit for bit, or [Null].
type Number float64

// Null stands for a value that upstream sent as null, or that is not known.
func Null() Number { return Number(math.NaN()) }

// IsNull tells whether there is no value.
func (n Number) IsNull() bool { return n != n }

// AppendNumber appends the shortest JSON number that reads back as the same double, or null.
// The form is the one of encoding/json and of JavaScript: an exponent below 1e-6 and from 1e21 on.
func AppendNumber(b []byte, f float64) []byte {
	if f != f || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	abs, format := math.Abs(f), byte('f')
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1] // e-09 to e-9
		b = b[:n-1]
	}
	return b
}

// MarshalJSON writes the shortest form, or null.
func (n Number) MarshalJSON() ([]byte, error) { return AppendNumber(nil, float64(n)), nil }

// MarshalGQL writes the shortest form, or null.
func (n Number) MarshalGQL(w io.Writer) {
	var buf [32]byte
	_, _ = w.Write(AppendNumber(buf[:0], float64(n)))
}

// UnmarshalGQL refuses: numbers of this kind only go out.
func (n *Number) UnmarshalGQL(any) error { return errOutputOnly }
