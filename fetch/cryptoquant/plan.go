package cryptoquant

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

var discovery = wire.Endpoint{Path: "/my/discovery/endpoints", MaxBytes: 8 << 20}

const (
	planTTL      = 24 * time.Hour   // how long a plan is believed to stay as it is
	planRetry    = 10 * time.Minute // until it is asked for again after it could not be had
	planPatience = 2 * time.Second  // what a question waits for it at most
)

// period is how far back something goes: a calendar's, as plans are sold. The zero value is without limit.
type period struct{ years, months, days int }

var periodForm = regexp.MustCompile(`^P([0-9]{1,4})([YMWD])$`)

// parsePeriod reads the durations of ISO 8601 that plans have: one number, and years, months, weeks or days. P0D is
// without limit.
func parsePeriod(text string) (period, bool) {
	parts := periodForm.FindStringSubmatch(text)
	if parts == nil {
		return period{}, false
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return period{}, false
	}
	switch parts[2] {
	case "Y":
		return period{years: n}, true
	case "M":
		return period{months: n}, true
	case "W":
		return period{days: 7 * n}, true
	default:
		return period{days: n}, true
	}
}

// first is the first grid instant that the period reaches back to.
func (p period) first(i market.Interval, now time.Time) int64 {
	if p == (period{}) {
		return 0
	}
	return wire.Ceil(i, now.UTC().AddDate(-p.years, -p.months, -p.days).UnixMilli())
}

// reach is what the plan gives of endpoints, by path (/btc/market-indicator/mvrv) and window. An endpoint that is not
// there is not restricted: the larger plans do not list all they give.
type reach map[string]map[string]period

// plan is what is known of the plan.
type plan struct {
	turn chan struct{} // held by who asks for it

	mu    sync.Mutex
	known reach
	until time.Time
}

func (p *plan) current(now time.Time) (reach, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known, now.Before(p.until)
}

// reachOf is what the plan gives, asked for if need be. It never fails: what cannot be had restricts nothing, or what was
// known before goes on.
func (c *Client) reachOf(ctx context.Context, try Try) reach {
	known, fresh := c.plan.current(c.now())
	if fresh {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	select {
	case c.plan.turn <- struct{}{}:
		defer func() { <-c.plan.turn }()
	case <-ctx.Done():
		return known
	}
	if known, fresh = c.plan.current(c.now()); fresh {
		return known // somebody else has asked meanwhile
	}
	err := try(ctx, discovery.Path, func(ctx context.Context, key string) error {
		r, err := c.get(ctx, key, discovery, discovery.Path, "")
		if err != nil {
			return err
		}
		got, err := decodeReach(r.Body)
		if err != nil {
			if code, _ := readStatus(r.Body); code >= http.StatusBadRequest {
				return c.refusal(r)
			}
			return c.wire.Nonsense(r, err)
		}
		known = got
		return nil
	})
	until := c.now().Add(planTTL)
	if err != nil {
		until = c.now().Add(planRetry)
		c.log.WarnContext(ctx, "what the plan gives could not be had: nothing is held back for it", "event", "fetch.plan", "provider", Name, "error", err)
	}
	c.plan.mu.Lock()
	defer c.plan.mu.Unlock()
	c.plan.known, c.plan.until = known, until
	return known
}

// decodeReach reads /my/discovery/endpoints: apiEndpoint.{asset}.{category}.{metric}.{window}, the last a duration. What has
// another form, such as the lists beside the assets, says nothing about an endpoint; an answer without any is none.
func decodeReach(body []byte) (reach, error) {
	type level = map[string]json.RawMessage
	var answer struct {
		Endpoints level `json:"apiEndpoint"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	found := reach{}
	for asset, raw := range answer.Endpoints {
		var categories level
		if json.Unmarshal(raw, &categories) != nil {
			continue
		}
		for category, raw := range categories {
			var names level
			if json.Unmarshal(raw, &names) != nil {
				continue
			}
			for name, raw := range names {
				if windows := decodeWindows(raw); len(windows) > 0 {
					found["/"+asset+"/"+category+"/"+name] = windows
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no endpoint in it")
	}
	return found, nil
}

func decodeWindows(raw json.RawMessage) map[string]period {
	var texts map[string]any
	if json.Unmarshal(raw, &texts) != nil {
		return nil
	}
	windows := make(map[string]period, len(texts))
	for window, text := range texts {
		s, _ := text.(string)
		if p, ok := parsePeriod(s); ok {
			windows[window] = p
		}
	}
	return windows
}
