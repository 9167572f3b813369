package cryptoquant

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

const (
	// maxRows is how many rows a call asks for at most. The reference takes 100,000, the official client never more than
	// this.
	maxRows = 1000
	// fewRows is the default of the reference, and the least that a plan is believed to cut an answer to: one with so many
	// rows may lack older ones that exist.
	fewRows = 100
	// maxBytes is many times a thousand rows of the widest metric.
	maxBytes = 4 << 20
)

// Series asks for the missing ranges of a metric (ascending grid ranges) in as few calls as there are thousands of rows.
// What is older than the plan's history is told as Beyond, without a call; and once a thousand rows that are asked for lack
// before rows that are there, no older ones are asked for. Each answer is complete in itself; with an
// error, the answers that are there are good.
func (c *Client) Series(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	s, ok := seriesOf(key)
	if !ok {
		return nil, fault.New(fault.UpstreamNotFound, "")
	}
	first := int64(0)
	if windows, listed := c.reachOf(ctx, try)[s.endpoint()]; listed {
		p, given := windows[s.window]
		if !given {
			return nil, fault.Wrap(fault.UpstreamPlan, fmt.Errorf("cryptoquant %s: the plan has no window %s", s.path, s.window))
		}
		first = p.first(s.interval, c.now())
	}
	now := c.now()
	// The running period is not over, and its row not final.
	calls, beyond := wire.Plan(s.interval, missing, first, s.interval.Floor(now.UnixMilli()), maxRows)
	if len(calls) == 0 {
		return wire.Job{Source: Name, Beyond: beyond, Now: now}.Do(ctx, try, nil)
	}
	answers := wire.OutOfReach(Name, beyond, now)
	// From the newest on: an answer that was cut makes one more call for what is older, and history has one beginning.
	for some := false; len(calls) > 0; {
		w := calls[len(calls)-1]
		calls = calls[:len(calls)-1]
		var f market.Fetched
		err := try(ctx, s.logged(), func(ctx context.Context, key string) (err error) {
			f, err = c.fetch(ctx, key, s, w)
			return err
		})
		if err != nil {
			return answers, err
		}
		answers = append(answers, f)
		switch {
		case f.Covers.From > w.From:
			calls = append(calls, market.Range{From: w.From, To: f.Covers.From})
		case some && len(f.Points) == 0 && w.To-w.From == maxRows*s.interval.Step():
			for _, older := range calls {
				answers = append(answers, wire.Answer(Name, nil, older, f.FetchedAt))
			}
			calls = nil
		}
		some = some || len(f.Points) > 0
	}
	return answers, nil
}

// Calls is how many calls Series would make at most: once a thousand rows lack, no older ones are asked for. It makes none,
// and goes by what is known of the plan.
func (c *Client) Calls(key market.SeriesKey, missing []market.Range) int {
	s, ok := seriesOf(key)
	if !ok {
		return 0
	}
	first, now := int64(0), c.now()
	known, _ := c.plan.current(now)
	if windows, listed := known[s.endpoint()]; listed {
		first = windows[s.window].first(s.interval, now)
	}
	calls, _ := wire.Plan(s.interval, missing, first, s.interval.Floor(now.UnixMilli()), maxRows)
	return len(calls)
}

// fetch makes one call and reads its answer.
func (c *Client) fetch(ctx context.Context, key string, s series, w market.Range) (market.Fetched, error) {
	asked := c.now()
	e := wire.Endpoint{Path: s.logged(), MaxBytes: maxBytes}
	r, err := c.get(ctx, key, e, s.endpoint(), s.query(w))
	if err != nil {
		return market.Fetched{}, err
	}
	code, message := readStatus(r.Body)
	if code != http.StatusOK {
		return market.Fetched{}, c.refusal(r)
	}
	if strings.Contains(strings.ToLower(message), "deprecated") {
		c.warnDeprecated(ctx, e.Path, message)
	}
	rows, err := decodeRows(r.Body, s, asked)
	if err != nil {
		return market.Fetched{}, c.wire.Nonsense(r, err)
	}
	f := wire.Answer(Name, rows, w, asked)
	if n := len(f.Points); n >= fewRows && int64(n) < (w.To-w.From)/s.interval.Step() {
		f.Covers.From = f.Points[0].Stamp
	}
	return f, nil
}

// query asks for a span: both bounds are included, and the limit counts back from the newest.
func (s series) query(w market.Range) string {
	layout := "20060102"
	if s.interval != market.Daily {
		layout += "T150405" // a date alone is refused
	}
	at := func(t int64) string { return time.UnixMilli(t).UTC().Format(layout) }
	step := s.interval.Step()
	q := fmt.Sprintf("window=%s&from=%s&to=%s&limit=%d", s.window, at(w.From), at(w.To-step), (w.To-w.From)/step)
	if s.flow {
		q += "&exchange=" + allExchanges
	}
	return q
}
