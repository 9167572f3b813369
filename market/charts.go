package market

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// maxSeriesAtOnce bounds how many series one question fetches side by side.
const maxSeriesAtOnce = 8

// key is the chart's cache key.
func (r ChartRequest) key() string {
	return r.SeriesKey.key() + ":" + r.Days.String()
}

// key is what a replica that buys parts of the series claims.
func (k SeriesKey) key() string {
	if k.OnChain() {
		return "onchain:" + k.Asset + ":" + string(k.Metric) + ":" + k.Interval.String()
	}
	return "chart:" + k.Asset + ":" + string(k.Currency) + ":" + k.Interval.String()
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
		for i, got := range s.awaitSeries(ctx, absent, fresh, now) {
			r := absent[i]
			window := r.window(now)
			switch l := got.Value; {
			case got.Err != nil:
				q.answer(r, nil, got.Err)
			case l.window.From > window.From || l.window.To < window.To:
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
	s.keep(context.WithoutCancel(ctx), entries)
	return q.answers
}

// awaitSeries loads the series of the requests, or waits for whoever does so already.
func (s *Service) awaitSeries(ctx context.Context, requests []ChartRequest, fresh Freshness, now time.Time) []Answer[loaded] {
	keys := make([]SeriesKey, len(requests))
	windows := make(map[SeriesKey]Range, len(requests))
	for i, r := range requests {
		keys[i] = r.SeriesKey
		window := r.window(now)
		if w, ok := windows[r.SeriesKey]; ok {
			window = Range{min(w.From, window.From), max(w.To, window.To)}
		}
		windows[r.SeriesKey] = window
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
	histories := s.readHistories(ctx, windows)
	tally := telemetry.TallyOf(ctx)
	var lacking []*lackingSeries
	for i, w := range windows {
		wants := s.missing(w, histories[i], now)
		if len(wants) == 0 || fresh.suffices(w.Interval, wants, now, s.ttl(w.Interval)) {
			tally.Served(telemetry.Database, 1)
			settle(w.SeriesKey, loaded{window: w.Range, history: histories[i]})
			continue
		}
		tally.Served(telemetry.Upstream, 1)
		lacking = append(lacking, &lackingSeries{w, histories[i]})
	}
	if len(lacking) > 0 {
		s.buySeries(ctx, lacking, now, settle)
	}
}

// lackingSeries is a window of which something has to be bought.
type lackingSeries struct {
	Window
	history History
}

// buySeries has the providers asked for the series. One replica asks for a series, whatever the days; the others wait until
// it is done, or its lease ends, and then find what it stored.
func (s *Service) buySeries(ctx context.Context, lacking []*lackingSeries, now time.Time, settle func(SeriesKey, loaded)) {
	keys := make([]string, len(lacking))
	for i, l := range lacking {
		keys[i] = l.key()
	}
	claims, release := s.claim(ctx, keys)
	var held, again []*lackingSeries // what another replica is asking for; what one has just stored more of
	for i, l := range lacking {
		switch claims[i] {
		case Held:
			held = append(held, l)
		case GrantedAfter:
			again = append(again, l)
		case Granted:
		}
	}
	s.readAgain(ctx, again)
	var group sync.WaitGroup
	defer group.Wait()
	if len(held) > 0 {
		group.Go(func() { s.awaitOthers(ctx, held, now, settle) })
	}
	places := make(chan struct{}, maxSeriesAtOnce)
	for i, l := range lacking {
		if claims[i] == Held {
			continue
		}
		places <- struct{}{}
		group.Go(func() {
			done := false
			defer func() { <-places }()
			defer func() { release(keys[i:i+1], done) }()
			defer settleOnPanic(s, []SeriesKey{l.SeriesKey}, func(k SeriesKey, _ struct{}, err error) {
				settle(k, loaded{window: l.Range, err: err})
			})
			history, err := s.fetchSeries(ctx, l.Window, l.history, now)
			done = err == nil
			settle(l.SeriesKey, loaded{l.Range, history, err})
		})
	}
}

// awaitOthers tries again a moment later what other replicas are asking for.
func (s *Service) awaitOthers(ctx context.Context, held []*lackingSeries, now time.Time, settle func(SeriesKey, loaded)) {
	if pause(ctx, pollDelay()) {
		s.buySeries(ctx, held, now, settle)
		return
	}
	for _, l := range held {
		settle(l.SeriesKey, loaded{l.Range, l.history, elsewhere(ctx)})
	}
}

func (s *Service) readHistories(ctx context.Context, windows []Window) []History {
	histories := make([]History, len(windows))
	s.visitStore(ctx, "histories", func(ctx context.Context) error {
		rows, err := s.opts.Store.Histories(ctx, windows)
		if err == nil {
			histories = rows
		}
		return err
	})
	return histories
}

func (s *Service) readAgain(ctx context.Context, series []*lackingSeries) {
	if len(series) == 0 {
		return
	}
	windows := make([]Window, len(series))
	for i, l := range series {
		windows[i] = l.Window
	}
	for i, h := range s.readHistories(ctx, windows) {
		series[i].history = h
	}
}

func (s *Service) missing(w Window, h History, now time.Time) []Range {
	return missing(w.Range, h.Known, s.opts.Source.Providers(w.SeriesKey), now)
}

// suffices tells whether all that lacks is so young that the caller does without it.
func (f Freshness) suffices(i Interval, lacking []Range, now time.Time, ttl time.Duration) bool {
	return f.MaxAge > ttl && i.DueAt(lacking[0].From) > now.Add(ttl-f.MaxAge).UnixMilli()
}

// fetchSeries asks the providers, one after the other, for what lacks of a series, and gives the history with their answers.
// With an error, which is the most preferred provider's, the history has what could be had.
func (s *Service) fetchSeries(ctx context.Context, w Window, h History, now time.Time) (History, error) {
	var first error
	providers := s.opts.Source.Providers(w.SeriesKey)
	for rank, provider := range providers {
		wants := wanted(w.Range, h.Known, providers, rank, now)
		if len(wants) == 0 {
			continue
		}
		answers, err := s.askProvider(ctx, provider, w.SeriesKey, wants)
		if isRefusal(err) && (rank > 0 || w.OnChain()) {
			h = s.saveSeries(ctx, SeriesWrite{SeriesKey: w.SeriesKey, Fetched: Fetched{Source: provider, FetchedAt: now}, Known: notOffered(wants, provider, now)}, h)
			continue
		}
		given := givenBefore(h.Known, providers, rank, now)
		for i, f := range answers {
			known := knowledge(w.Interval, f, h.Known)
			if err == nil && i == len(answers)-1 {
				known = append(known, unanswered(wants, answers, h.Known)...)
			}
			f.Points = slices.DeleteFunc(f.Points, func(p Point) bool { return given(w.Interval.Snap(p.Stamp)) })
			h = s.saveSeries(ctx, SeriesWrite{SeriesKey: w.SeriesKey, Fetched: f, Known: known}, h)
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return h, first
}

// askProvider asks one provider, unless it has just refused the same for good.
func (s *Service) askProvider(ctx context.Context, provider string, key SeriesKey, wants []Range) ([]Fetched, error) {
	asked := refused{provider, key}
	if err := s.refusals.of(asked); err != nil {
		return nil, err
	}
	answers, err := s.opts.Source.Series(ctx, provider, key, wants)
	s.refusals.remember(asked, err)
	if err == nil && len(answers) == 0 {
		err = fault.New(fault.UpstreamNonsense, "")
	}
	return answers, err
}

// saveSeries stores a provider's answer whole, and gives the history with it.
func (s *Service) saveSeries(ctx context.Context, w SeriesWrite, h History) History {
	s.visitStore(ctx, "save series", func(ctx context.Context) error { return s.opts.Store.SaveSeries(ctx, w) })
	return h.Apply(w)
}

// unanswered makes holes of what was asked for and what no answer speaks of, so that it is not asked for at once again.
func unanswered(wants []Range, answers []Fetched, old []Known) []Known {
	last := answers[len(answers)-1]
	for _, f := range answers {
		wants = Subtract(Subtract(wants, f.Covers), f.Beyond)
	}
	known := make([]Known, len(wants))
	for i, r := range wants {
		tries, due := retryHole(r, last, old)
		known[i] = Known{Range: r, Provider: last.Source, FetchedAt: last.FetchedAt, DueAt: due, Tries: tries, Hole: UpstreamHole}
	}
	return known
}

// chart reads a loaded series for a request. A provider's failure is an error, unless the caller consents to what is
// there.
func (s *Service) chart(r ChartRequest, asset Asset, l loaded, window Range, fresh Freshness, now time.Time) (*Chart, error) {
	providers := s.opts.Source.Providers(r.SeriesKey)
	lacks := lacking(window, l.history.Known, providers, now)
	if l.err != nil && len(lacks) == 0 {
		l.err = nil // what failed was in another caller's part of the series, or another provider had it
	}
	c := readChart(r, asset, l.history, window, providers)
	if l.err != nil && !fresh.consents(c, r.Interval, s.ttl(r.Interval), now) {
		if fault.Is(l.err, fault.UpstreamRejected) {
			return nil, fault.New(fault.NotFound, "%s has no chart in %s", r.Asset, r.Currency)
		}
		return nil, l.err
	}
	c.Stale = len(lacks) > 0
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
