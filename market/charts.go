package market

import (
	"context"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// maxSeriesAtOnce bounds how many series one question fetches side by side.
const maxSeriesAtOnce = 8

// key is the chart's cache key.
func (r ChartRequest) key() string {
	return "chart:" + r.Asset + ":" + string(r.Currency) + ":" + r.Interval.String() + ":" + r.Days.String()
}

// loaded is a series' history for a window, and the fault of a provider that could not be asked for all of it. Single
// flight is for the series, whatever the days: a second caller waits, and then finds most of what it needs.
type loaded struct {
	window  Range
	history History
	err     error
}

// chartQuestion is a question for charts.
type chartQuestion struct {
	*asked[ChartRequest, *Chart]
	all *snapshot
	now time.Time
}

func (s *Service) askCharts(all *snapshot, requests []ChartRequest) *chartQuestion {
	return &chartQuestion{ask[ChartRequest, *Chart](requests, func(r ChartRequest) error { return all.refuse(r.Asset) }), all, s.opts.Now()}
}

// take answers what the cache had and gives the requests it lacked.
func (q *chartQuestion) take(hits []CacheHit, tally *telemetry.Tally) (absent []ChartRequest) {
	for i, hit := range hits {
		r := q.distinct[i]
		if hit.Value != nil {
			c, err := decodeChart(r, q.all.asset(r.Asset), hit.Value)
			if err == nil && c.FreshUntil.After(q.now) {
				tally.Served(tierOf(hit), 1)
				q.answer(r, c, nil)
				continue
			}
		}
		absent = append(absent, r)
	}
	return absent
}

func (q *chartQuestion) keys() []string {
	keys := make([]string, len(q.distinct))
	for i, r := range q.distinct {
		keys[i] = r.key()
	}
	return keys
}

// ChartsInMemory is [Service.Charts] where this process's memory has all of them: it waits for nobody. Otherwise it is
// false, and nothing was done.
func (s *Service) ChartsInMemory(ctx context.Context, requests []ChartRequest) ([]Answer[*Chart], bool) {
	all := s.catalogue.current.Load()
	if all == nil {
		return nil, false
	}
	q := s.askCharts(all, requests)
	tally := new(telemetry.Tally)
	if absent := q.take(s.opts.Cache.Near(q.keys()), tally); len(absent) > 0 {
		return nil, false
	}
	telemetry.TallyOf(ctx).Served(telemetry.Memory, len(q.distinct))
	return q.answers, true
}

// Charts answers for the requests, index by index. The errors are faults as those of [Service.Prices].
func (s *Service) Charts(ctx context.Context, requests []ChartRequest, fresh Freshness) []Answer[*Chart] {
	all, err := s.snapshot(ctx)
	if err != nil {
		return failed[*Chart](len(requests), err)
	}
	q := s.askCharts(all, requests)
	if len(q.distinct) == 0 {
		return q.answers
	}
	absent := q.take(s.opts.Cache.Get(ctx, q.keys()), telemetry.TallyOf(ctx))
	var entries []CacheEntry
	for len(absent) > 0 {
		var again []ChartRequest
		now := s.opts.Now()
		windows := make([]Window, len(absent))
		for i, r := range absent {
			windows[i] = Window{r.SeriesKey, r.window(now)}
		}
		for i, got := range s.awaitSeries(ctx, windows, fresh, now) {
			r, window := absent[i], windows[i].Range
			switch l := got.Value; {
			case got.Err != nil:
				q.answer(r, nil, got.Err)
			case !l.window.includes(window):
				again = append(again, r) // another caller's window was smaller
			default:
				c, err := s.chart(r, all.asset(r.Asset), l, window, fresh, now)
				q.answer(r, c, err)
				if err == nil && !c.Stale {
					entries = append(entries, CacheEntry{r.key(), encodeChart(r, c), c.FreshUntil.Sub(now)})
				}
			}
		}
		absent = again
	}
	if len(entries) > 0 {
		s.opts.Cache.Set(context.WithoutCancel(ctx), entries)
	}
	return q.answers
}

// awaitSeries loads the windows, or waits for whoever loads their series already.
func (s *Service) awaitSeries(ctx context.Context, wanted []Window, fresh Freshness, now time.Time) []Answer[loaded] {
	keys := make([]SeriesKey, len(wanted))
	windows := make(map[SeriesKey]Range, len(wanted))
	for i, w := range wanted {
		keys[i] = w.SeriesKey
		window := w.Range
		if known, ok := windows[w.SeriesKey]; ok {
			window = Range{min(known.From, window.From), max(known.To, window.To)}
		}
		windows[w.SeriesKey] = window
	}
	calls := s.series.join(keys, func(owned []SeriesKey, settle func(SeriesKey, loaded, error)) {
		ctx, cancel := s.detach(ctx)
		defer cancel()
		defer settleOnPanic(s, owned, settle)
		asked := make([]Window, len(owned))
		for i, k := range owned {
			asked[i] = Window{k, windows[k]}
		}
		s.loadSeries(ctx, asked, fresh, now, func(k SeriesKey, l loaded) { settle(k, l, nil) })
	})
	answers := make([]Answer[loaded], len(calls))
	for i, c := range calls {
		answers[i].Value, answers[i].Err = c.wait(ctx)
	}
	return answers
}

// loadSeries answers for windows of distinct series: one visit to the database for all, then for each series that lacks
// something its provider's windows, side by side. Nobody waits for another's series.
func (s *Service) loadSeries(ctx context.Context, windows []Window, fresh Freshness, now time.Time, settle func(SeriesKey, loaded)) {
	histories := make([]History, len(windows))
	s.visitStore(ctx, "histories", func(ctx context.Context) error {
		rows, err := s.opts.Store.Histories(ctx, windows)
		if err == nil {
			histories = rows
		}
		return err
	})
	tally := telemetry.TallyOf(ctx)
	var group sync.WaitGroup
	places := make(chan struct{}, maxSeriesAtOnce)
	for i, w := range windows {
		lacking := missing(w.due(now), histories[i].Known, now)
		if len(lacking) == 0 || fresh.suffices(w.Interval, lacking, now, s.ttl(w.Interval)) {
			tally.Served(telemetry.Database, 1)
			settle(w.SeriesKey, loaded{window: w.Range, history: histories[i]})
			continue
		}
		tally.Served(telemetry.Upstream, 1)
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			defer settleOnPanic(s, []SeriesKey{w.SeriesKey}, func(k SeriesKey, _ struct{}, err error) {
				settle(k, loaded{window: w.Range, err: err})
			})
			history, err := s.fetchSeries(ctx, w.SeriesKey, lacking, histories[i])
			settle(w.SeriesKey, loaded{w.Range, history, err})
		})
	}
	group.Wait()
}

// due is the part of the window whose points belong to charts by now: only that is worth asking a provider for.
func (w Window) due(now time.Time) Range {
	return Range{w.From, min(w.To, w.Interval.Newest(now)+w.Interval.Step())}
}

// suffices tells whether all that lacks is so young that the caller does without it.
func (f Freshness) suffices(i Interval, lacking []Range, now time.Time, ttl time.Duration) bool {
	return f.MaxAge > ttl && i.DueAt(lacking[0].From) > now.Add(ttl-f.MaxAge).UnixMilli()
}

// fetchSeries asks the providers for what lacks of a series, saves each of their answers whole, and gives the history
// with them. With an error the history has what could be had.
func (s *Service) fetchSeries(ctx context.Context, key SeriesKey, lacking []Range, h History) (History, error) {
	if err := s.refusals.of(key); err != nil {
		return h, err
	}
	answers, err := s.opts.Source.Chart(ctx, key, lacking)
	s.refusals.remember(key, err)
	if err == nil && len(answers) == 0 {
		err = fault.New(fault.UpstreamNonsense, "")
	}
	for i, f := range answers {
		w := SeriesWrite{SeriesKey: key, Fetched: f, Known: knowledge(key.Interval, f, h.Known)}
		if err == nil && i == len(answers)-1 {
			w.Known = append(w.Known, unanswered(lacking, answers, h.Known)...)
		}
		s.visitStore(ctx, "save series", func(ctx context.Context) error { return s.opts.Store.SaveSeries(ctx, w) })
		h = h.Apply(w)
	}
	return h, err
}

// unanswered makes holes of what was asked for and what no answer speaks of, so that it is not asked for at once again.
func unanswered(lacking []Range, answers []Fetched, old []Known) []Known {
	for _, f := range answers {
		rest := lacking[:0:0]
		for _, r := range lacking {
			rest = append(rest, Subtract(Subtract([]Range{r}, f.Covers), f.Beyond)...)
		}
		lacking = rest
	}
	last := answers[len(answers)-1]
	known := make([]Known, len(lacking))
	for i, r := range lacking {
		tries, due := retryHole(r, last.FetchedAt, old)
		known[i] = Known{Range: r, Provider: last.Source, FetchedAt: last.FetchedAt, DueAt: due, Tries: tries, Hole: UpstreamHole}
	}
	return known
}

// chart reads a loaded series for a request. A provider's failure is an error, unless the caller consents to what is
// there.
func (s *Service) chart(r ChartRequest, asset Asset, l loaded, window Range, fresh Freshness, now time.Time) (*Chart, error) {
	lacking := missing(window, l.history.Known, now)
	if l.err != nil && len(lacking) == 0 {
		l.err = nil // what failed was in another caller's part of the series
	}
	c := readChart(r, asset, l.history, window)
	if l.err != nil && !fresh.consents(c, r.Interval, s.ttl(r.Interval), now) {
		if fault.Is(l.err, fault.UpstreamRejected) {
			return nil, fault.New(fault.NotFound, "%s has no chart in %s", r.Asset, r.Currency)
		}
		return nil, l.err
	}
	c.Stale = len(lacking) > 0
	if c.FetchedAt.IsZero() {
		c.FetchedAt = now
	}
	c.FreshUntil = now.Add(s.ttl(r.Interval))
	if next := time.UnixMilli(r.Interval.DueAt(window.To)); next.Before(c.FreshUntil) {
		c.FreshUntil = next
	}
	return c, nil
}

// consents tells whether the caller wants this chart, whose newest points lack, rather than an error.
func (f Freshness) consents(c *Chart, i Interval, ttl time.Duration, now time.Time) bool {
	if f.StaleIfError <= 0 || c.Coverage.To == nil {
		return false
	}
	due := i.DueAt(c.Coverage.To.UnixMilli() + i.Step()) // when the chart began to lack a point
	return now.UnixMilli()-due < (max(ttl, f.MaxAge) + f.StaleIfError).Milliseconds()
}
