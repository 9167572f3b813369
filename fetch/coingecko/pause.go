package coingecko

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// defaultPause is for a 429 that does not say how long to wait.
	defaultPause = time.Minute
	// maxPause is what is believed at most: a header that was sent by mistake must not shut us out for a year.
	maxPause = day
)

// retryAfter is how long an answer says to wait; 0 if it does not. Retry-After (RFC 9110, 10.2.3) is seconds or a date and
// wins over X-Ratelimit-Reset, which is written as "2026-03-09 03:28:00 +0000". A time that has passed is a second.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return believed(time.Duration(min(seconds, 1<<32)) * time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return believed(at.Sub(now))
	}
	if at, err := time.Parse("2006-01-02 15:04:05 -0700", strings.TrimSpace(h.Get("X-Ratelimit-Reset"))); err == nil {
		return believed(at.Sub(now))
	}
	return 0
}

func believed(d time.Duration) time.Duration { return min(max(d, time.Second), maxPause) }
