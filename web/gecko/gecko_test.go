package gecko_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/coingraph/coingraph/web/gecko"
)

// TestRound: prices that CoinGecko has rounded are as it rounds them.
func TestRound(t *testing.T) {
	for _, c := range []struct {
		exact, shown float64
		coin         bool
	}{
		{88927.4, 88927, false},
		{22872.49, 22872, false},
		{268901.2, 268901, false},
		{8447.104, 8447.1, false},
		{594.5941, 594.59, false},
		{20.001, 20, false},
		{1.0004, 1, false},
		{0.9957641, 0.995764, false},
		{0.2395264, 0.239526, false},
		{0.023708911, 0.02370891, false},
		{0.000268312, 0.00026831, false},
		{3.97e-06, 3.97e-06, false},
		{40.3449183, 40.344918, true},
		{0.269757312, 0.26975731, true},
		{0.03950436, 0.03950436, true},
		{1.398521e-10, 1.39852e-10, true},
		{5.58195e-07, 5.58195e-07, true},
		{0, 0, false},
	} {
		if got := gecko.Auto.Round(c.exact, c.coin); got != c.shown {
			t.Errorf("%v is shown as %v, want %v", c.exact, got, c.shown)
		}
	}
	if got := gecko.Full.Round(1.0/3, false); got != 1.0/3 {
		t.Errorf("full is %v", got)
	}
	if got := gecko.Precision(2).Round(math.NaN(), false); got == got {
		t.Errorf("null is %v", got)
	}
	if got := gecko.Auto.Round(math.NaN(), true); got == got {
		t.Errorf("null is %v", got)
	}
}

// The parsers take their own forms and nothing that only looks like it.

func FuzzSpan(f *testing.F) {
	for _, s := range []string{"1", "0.5", "max", "0", "-1", "1e9", "NaN", "٧", "99999", "100000", "100001", "0.000011574", "1.", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		span, all, ok := gecko.Span(s)
		switch {
		case all != (s == "max") || all && !ok:
			t.Errorf("%q: %v %v", s, all, ok)
		case !ok || all:
			return
		}
		days, err := strconv.ParseFloat(s, 64)
		if err != nil || strings.ContainsFunc(s, func(r rune) bool { return r != '.' && !unicode.IsDigit(r) || r > '9' }) || span <= 0 ||
			math.Abs(span.Hours()/24-days) > 1e-9*days+1e-9 || days > gecko.MaxSpan {
			t.Errorf("%q is %v", s, span)
		}
	})
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"1700000000", "1700000000000", "0", "1700000000.5", "2026-01-31", "2026-01-31T12:00", "2026-01-31T12:00:01", "2026-01-31T12:00:00+02:00", "20260131", "-1", "99999999999999999999", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := gecko.Moment(s)
		if !ok {
			return
		}
		if at.Location() != time.UTC {
			t.Errorf("%q is of %v", s, at.Location())
		}
		if seconds, err := strconv.ParseFloat(s, 64); err == nil {
			if seconds < 1e11 && math.Abs(float64(at.UnixMilli())-seconds*1000) > 1 || seconds < 0 {
				t.Errorf("%q is %v", s, at)
			}
			return
		}
		if len(s) < len(time.DateOnly) || s[4] != '-' {
			t.Errorf("%q is %v", s, at)
		}
	})
}

func FuzzPrecision(f *testing.F) {
	for _, s := range []string{"full", "0", "18", "19", "-0", "+1", "007", "1.0", "", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := gecko.ParsePrecision(s)
		if !ok {
			return
		}
		if s == "full" {
			if n != gecko.Full {
				t.Errorf("full is %d", n)
			}
			return
		}
		if m, err := strconv.Atoi(s); err != nil || m != int(n) || n < 0 || n > gecko.MaxDecimals || s[0] == '+' || s[0] == '-' {
			t.Errorf("%q is %d", s, n)
		}
	})
}

func FuzzPage(f *testing.F) {
	for _, s := range []string{"1", "0", "250", "251", "999999999", "1000000000", "-1", "+1", "1e2", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := gecko.Page(s, 250)
		if m, err := strconv.Atoi(s); ok && (err != nil || n != min(m, 250) || m < 1) {
			t.Errorf("%q is %d", s, n)
		}
	})
}

func FuzzDay(f *testing.F) {
	for _, s := range []string{"31-01-2026", "2026-01-31", "31-02-2026", "1-1-2026", "01/02/2026", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if day, ok := gecko.Day(s); ok && (!day.Equal(day.Truncate(24*time.Hour)) || day.Format("02-01-2006") != s && day.Format(time.DateOnly) != s) {
			t.Errorf("%q is %v", s, day)
		}
	})
}
