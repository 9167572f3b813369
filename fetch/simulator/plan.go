package simulator

import (
	"net/http"
	"slices"
	"sync"
)

// reach is how far back the plans without payment see.
const reach = 365 * day

// admit checks the key and counts the call; nil: go on.
func (s *Simulator) admit(q *request) *reply {
	if q.wrongKey {
		if s.opts.Plan == Pro {
			return split(http.StatusBadRequest, 10011, "If you are using Demo API key, please change your root URL from "+
				"pro-api.coingecko.com to api.coingecko.com", q.now)
		}
		return split(http.StatusBadRequest, 10010, "If you are using Pro API key, please change your root URL from "+
			"api.coingecko.com to pro-api.coingecko.com", q.now)
	}
	// /ping of the public host does not look at keys.
	if len(s.opts.Keys) > 0 && s.opts.Plan != Public && (s.opts.Plan == Pro || q.endpoint() != "/ping") && !slices.Contains(s.opts.Keys, q.key) {
		if q.key == "" {
			return coded(http.StatusUnauthorized, 10002, "API Key Missing")
		}
		return coded(http.StatusUnauthorized, 10002, "Invalid API Key")
	}
	if s.opts.Limit > 0 {
		if left := s.limits.spend(q.client(), s.opts.Limit, q.now); left > 0 {
			return rateLimited(left)
		}
	}
	return nil
}

// limits count calls in minutes of the clock.
type limits struct {
	mu     sync.Mutex
	minute int64
	spent  map[string]int
}

// spend counts a call; if it was one too many it gives the seconds until the next minute.
func (l *limits) spend(client string, limit int, now int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := now / minute; l.spent == nil || m != l.minute {
		l.minute, l.spent = m, map[string]int{}
	}
	l.spent[client]++
	if l.spent[client] <= limit {
		return 0
	}
	return ((l.minute+1)*minute - now + second - 1) / second
}

// count is how often the client called in this minute.
func (l *limits) count(client string, now int64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now/minute != l.minute {
		return 0
	}
	return l.spent[client]
}
