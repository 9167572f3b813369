// Package gecko reads and writes what CoinGecko's API has forms of its own for: spans and moments in parameters, and how
// prices are rounded. https://docs.coingecko.com/reference
package gecko

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The forms of numbers: no sign, no exponent, no blanks, ASCII.
var (
	precisionForm = regexp.MustCompile(`^[0-9]{1,2}$`)
	spanForm      = regexp.MustCompile(`^[0-9]{1,6}(\.[0-9]{1,9})?$`)
	secondsForm   = regexp.MustCompile(`^([0-9]{1,11}(\.[0-9]{1,9})?|[0-9]{12,18})$`)
	numberForm    = regexp.MustCompile(`^[0-9]{1,9}$`)
)

// MaxSpan is how many days can be asked for: more than there are.
const MaxSpan = 100_000

// Span reads a number of days, which may have a fraction: "7", "0.5". For "max", which is as long as there is anything, max
// is true.
func Span(s string) (span time.Duration, max, ok bool) {
	if s == "max" {
		return 0, true, true
	}
	if !spanForm.MatchString(s) {
		return 0, false, false
	}
	days, err := strconv.ParseFloat(s, 64)
	if err != nil || days > MaxSpan {
		return 0, false, false
	}
	span = time.Duration(days * 24 * float64(time.Hour))
	return span, false, span >= time.Second
}

// Moment reads Unix seconds, or an ISO date with or without a time of day, in UTC where it does not say. What was meant in
// milliseconds is tens of thousands of years ahead.
func Moment(s string) (time.Time, bool) {
	if secondsForm.MatchString(s) {
		seconds, err := strconv.ParseFloat(s, 64)
		return time.UnixMilli(int64(min(seconds, 1e13) * 1000)).UTC(), err == nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// Day reads a day: "31-01-2026", or in the newer form "2026-01-31".
func Day(s string) (time.Time, bool) {
	for _, layout := range []string{"02-01-2006", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// Page reads a positive whole number; what is above the most counts as that.
func Page(s string, most int) (int, bool) {
	if !numberForm.MatchString(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return min(n, most), err == nil && n >= 1
}

// Flag is true for "true" in any case, and false for all else.
func Flag(s string) bool { return strings.EqualFold(s, "true") }
