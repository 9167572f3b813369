package market

import (
	"encoding/json"
	"io"
	"strconv"
)

// Days is how many days of history a chart has: 1 to [MaxDays], or [AllDays].
type Days int32

const (
	// AllDays is "max": as far back as there is anything.
	AllDays Days = -1
	// MaxDays is the most that can be asked for in a number.
	MaxDays Days = 10_000
	// invalidDays is what anything else reads as; validation names it to the caller together with everything else that
	// is wrong, where an error on reading would hide the rest.
	invalidDays Days = 0
)

// DaysMessage says what Days takes.
const DaysMessage = `must be a whole number from 1 to 10000, or "max"`

// Valid tells whether it is a number of days that can be asked for.
func (d Days) Valid() bool { return d == AllDays || d >= 1 && d <= MaxDays }

// ParseDays reads the REST form: decimal digits without sign or blank, or "max".
func ParseDays(s string) Days {
	if s == "max" {
		return AllDays
	}
	if len(s) == 0 || len(s) > 5 {
		return invalidDays
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return invalidDays
		}
		n = n*10 + int(c-'0')
	}
	if d := Days(n); d.Valid() {
		return d
	}
	return invalidDays
}

// String is the number, or "max".
func (d Days) String() string {
	if d == AllDays {
		return "max"
	}
	return strconv.Itoa(int(d))
}

// MarshalJSON writes an integer, or "max" as a string.
func (d Days) MarshalJSON() ([]byte, error) {
	if d == AllDays {
		return []byte(`"max"`), nil
	}
	return strconv.AppendInt(nil, int64(d), 10), nil
}

// MarshalGQL writes an integer, or "max" as a string.
func (d Days) MarshalGQL(w io.Writer) {
	b, _ := d.MarshalJSON()
	_, _ = w.Write(b)
}

// UnmarshalGQL reads an integer or "max". Anything else becomes a value that is not [Days.Valid].
func (d *Days) UnmarshalGQL(v any) error {
	*d = invalidDays
	var n int64
	switch v := v.(type) {
	case string:
		if v == "max" {
			*d = AllDays
		}
		return nil
	case int64:
		n = v
	case int:
		n = int64(v)
	case json.Number:
		*d = ParseDays(v.String())
		if *d == AllDays {
			*d = invalidDays
		}
		return nil
	default:
		return nil
	}
	if n >= 1 && n <= int64(MaxDays) {
		*d = Days(n)
	}
	return nil
}
