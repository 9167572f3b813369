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

// key is the answer's cache key.
func (r SeriesRequest) key() string {
	return r.SeriesKey.key() + ":" + r.Days.String()
}

// key is what a replica that buys parts of the series claims.
func (k SeriesKey) key() string {
	if k.OnChain() {
		return "onchain:" + k.Asset + ":" + string(k.Metric) + ":" + k.Interval.String()
	}
	return "chart:" + k.Asset + ":" + string(k.Currency) + ":" + k.Interval.String()
}

// readable is what answers a SeriesRequest: a chart or a metric.
type readable interface {
	*Chart | *MetricSeries
	reading() *Reading
}

// kind is what charts and metrics do each in their own way. All else of the read-through is the same.
type kind[V readable] interface {
	// offered tells whether there is a provider of such a series.
	offered(k SeriesKey) bool
	read(r SeriesRequest, asset Asset, h History, window Range, providers []string) V
	// named is the answer under an old id of the asset.
	named(v V, id string) V
	encode(r SeriesRequest, v V) []byte
	decode(r SeriesRequest, asset Asset, b []byte) (V, error)
}

// charts is the kind of charts.
type charts struct{}

func (charts) offered(SeriesKey) bool { return true } // which of them there are, only the provider knows

func (charts) read(r SeriesRequest, asset Asset, h History, window Range, providers []string) *Chart {
	return readChart(r, asset, h, window, providers)
}

func (charts) named(c *Chart, id string) *Chart {
	old := *c
	old.Asset.ID = id
	return &old
}

func (charts) encode(r SeriesRequest, c *Chart) []byte { return encodeChart(r, c) }

func (charts) decode(r SeriesRequest, asset Asset, b []byte) (*Chart, error) {
	return decodeChart(r, asset, b)
}

// loaded is a series' history for a window, and the fault of a provider that could not be asked for all of it. Single
// flight is for the series, whatever the days: a second caller waits, and then finds most of what it needs.
type loaded struct {
	window  Range
	history History
	err     error
}

// seriesQuestion is a question for charts, or for metrics.
type seriesQuestion[V readable] struct {
	*asked[SeriesRequest, V]
	kind kind[V]
	all  *snapshot
	now  time.Time
}

// askSeries sorts a question out. What nobody offers is answered already: it costs no look-up.
func askSeries[V readable](s *Service, kind kind[V], all *snapshot, requests []SeriesRequest) *seriesQuestion[V] {
	q := &seriesQuestion[V]{ask(all, requests, func(r *SeriesRequest) *string { return &r.Asset }, kind.named), kind, all, s.opts.Now()}
	q.drop(func(n int) bool {
		r := q.distinct[n]
		if kind.offered(r.SeriesKey) {
			return false
		}
		q.answer(n, q.unoffered(s, r), nil)
		return true
	})
	return q
}

// take answers what the cache had and gives which of the distinct requests it lacked.
func (q *seriesQuestion[V]) take(hits []CacheHit, tally *telemetry.Tally) (absent []int) {
	for i, hit := range hits {
		if hit.Value != nil {
			r := q.distinct[i]
			v, err := q.kind.decode(r, q.all.asset(r.Asset), hit.Value)
			if err == nil && v.reading().FreshUntil.After(q.now) {
				tally.Served(tierOf(hit), 1)
				q.answer(i, v, nil)
				continue
			}
		}
		absent = append(absent, i)
	}
	return absent
}

func (q *seriesQuestion[V]) keys() []string {
	keys := make([]string, len(q.distinct))
	for i, r := range q.distinct {
		keys[i] = r.key()
	}
	return keys
}

// inMemory answers where this process's memory has all of it.
func inMemory[V readable](ctx context.Context, s *Service, q *seriesQuestion[V]) ([]Answer[V], bool) {
	tally := new(telemetry.Tally)
	if absent := q.take(s.opts.Cache.Near(q.keys()), tally); len(absent) > 0 {
		return nil, false
	}
	telemetry.TallyOf(ctx).Served(telemetry.Memory, len(q.distinct))
	s.demand.series(q.distinct)
	return q.answers, true
}

// ChartsInMemory is [Service.Charts] where this process's memory has all of them: it waits for nobody. Otherwise it is
// false, and nothing was done.
func (s *Service) ChartsInMemory(ctx context.Context, requests []ChartRequest) ([]Answer[*Chart], bool) {
	all := s.catalogue.current.Load()
	if all == nil {
		return nil, false
	}
	return inMemory(ctx, s, askSeries(s, charts{}, all, requests))
}

// Charts answers for the requests, index by index. The errors are faults as those of [Service.Prices].
func (s *Service) Charts(ctx context.Context, requests []ChartRequest, fresh Freshness) []Answer[*Chart] {
	return s.BeginCharts(ctx, requests, fresh)()
}

// BeginCharts is to [Service.Charts] what [Service.BeginPrices] is to Prices.
func (s *Service) BeginCharts(ctx context.Context, requests []ChartRequest, fresh Freshness) (wait func() []Answer[*Chart]) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return func() []Answer[*Chart] { return failed[*Chart](len(requests), err) }
	}
	return beginSeries(ctx, s, askSeries(s, charts{}, all, requests), fresh)
}

// beginSeries begins the read-through of charts and metrics.
func beginSeries[V readable](ctx context.Context, s *Service, q *seriesQuestion[V], fresh Freshness) (wait func() []Answer[V]) {
	if len(q.distinct) == 0 {
		return func() []Answer[V] { return q.answers }
	}
	hits := s.opts.Cache.Begin(ctx, q.keys())
	return func() []Answer[V] { return answerSeries(ctx, s, q, fresh, hits()) }
}

// answerSeries answers a question, of which the cache had some: for what it lacked it loads the series.
func answerSeries[V readable](ctx context.Context, s *Service, q *seriesQuestion[V], fresh Freshness, hits []CacheHit) []Answer[V] {
	absent := q.take(hits, telemetry.TallyOf(ctx))
	s.demand.series(q.distinct)
	var entries []CacheEntry
	for len(absent) > 0 {
		var again []int
		now := s.opts.Now()
		windows := make([]Window, len(absent))
		for i, n := range absent {
			r := q.distinct[n]
			windows[i] = Window{r.SeriesKey, r.window(now)}
		}
		for i, got := range s.awaitSeries(ctx, windows, fresh, now) {
			n, window := absent[i], windows[i].Range
			r := q.distinct[n]
			switch l := got.Value; {
			case got.Err != nil:
				var none V
				q.answer(n, none, got.Err)
			case !l.window.includes(window):
				again = append(again, n) // another caller's window was smaller
			default:
				v, err := readLoaded(s, q, r, l, window, fresh, now)
				q.answer(n, v, err)
				if err == nil && !v.reading().Stale {
					entries = append(entries, CacheEntry{r.key(), q.kind.encode(r, v), v.reading().FreshUntil.Sub(now)})
				}
			}
		}
		absent = again
	}
	s.keep(context.WithoutCancel(ctx), entries)
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
	histories := s.readHistories(ctx, windows)
	tally := telemetry.TallyOf(ctx)
	var lacking []*lackingSeries
	for i, w := range windows {
		wants := s.missing(w, histories[i], now)
		if len(wants) == 0 || fresh.suffices(w.SeriesKey, wants, now, s.ttl(w.SeriesKey)) {
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

// readHistories reads the windows, with a few points around each that the guard compares with.
func (s *Service) readHistories(ctx context.Context, windows []Window) []History {
	histories, wider := make([]History, len(windows)), make([]Window, len(windows))
	for i, w := range windows {
		wider[i] = Window{w.SeriesKey, w.around(w.Interval)}
	}
	s.visitStore(ctx, "histories", func(ctx context.Context) error {
		rows, err := s.opts.Store.Histories(ctx, wider)
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
	return missing(w.due(now), h.Known, s.opts.Source.Providers(w.SeriesKey), now)
}

// due is the part of the window whose points belong to charts by now: only that is worth asking a provider for.
func (w Window) due(now time.Time) Range {
	return Range{w.From, min(w.To, w.Newest(now)+w.Interval.Step())}
}

// suffices tells whether all that lacks is so young that the caller does without it.
func (f Freshness) suffices(k SeriesKey, lacking []Range, now time.Time, ttl time.Duration) bool {
	return f.MaxAge > ttl && k.DueAt(lacking[0].From) > now.Add(ttl-f.MaxAge).UnixMilli()
}

// fetchSeries asks the providers, one after the other, for what lacks of a series, and gives the history with their answers.
// With an error, which is the most preferred provider's, the history has what could be had.
func (s *Service) fetchSeries(ctx context.Context, w Window, h History, now time.Time) (History, error) {
	var first error
	providers := s.opts.Source.Providers(w.SeriesKey)
	for rank, provider := range providers {
		wants := wanted(w.due(now), h.Known, providers, rank, now)
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
			known := knowledge(w.SeriesKey, f, h.Known)
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

// saveSeries stores a provider's answer whole, but for its spikes, and gives the history with it.
func (s *Service) saveSeries(ctx context.Context, w SeriesWrite, h History) History {
	w = s.opts.Guard.Inspect(w, h)
	for _, q := range w.Quarantined {
		s.opts.Log.WarnContext(ctx, "a point was quarantined", "event", "quarantine", "series", w.key(), "timestamp", time.UnixMilli(q.Stamp).UTC(), "source", q.Source, "reason", q.Reason)
	}
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

// readLoaded reads a loaded series for a request. A provider's failure is an error, unless the caller consents to what is
// there.
func readLoaded[V readable](s *Service, q *seriesQuestion[V], r SeriesRequest, l loaded, window Range, fresh Freshness, now time.Time) (V, error) {
	providers := s.opts.Source.Providers(r.SeriesKey)
	lacks := lacking(window, l.history.Known, providers, now)
	if l.err != nil && len(lacks) == 0 {
		l.err = nil // what failed was in another caller's part of the series, or another provider had it
	}
	v := q.kind.read(r, q.all.asset(r.Asset), l.history, window, providers)
	read := v.reading()
	if l.err != nil && !fresh.consents(read, r.SeriesKey, s.ttl(r.SeriesKey), now) {
		if fault.Is(l.err, fault.UpstreamRejected) {
			return nil, fault.New(fault.NotFound, "%s has no chart in %s", r.Asset, r.Currency) // a metric is then not offered
		}
		return nil, l.err
	}
	read.Stale = len(lacks) > 0
	if read.FetchedAt.IsZero() {
		read.FetchedAt = now
	}
	read.FreshUntil = s.freshUntil(r, window, now)
	return v, nil
}

// freshUntil is when an answer expires: with its TTL, and at the latest when its next point is due.
func (s *Service) freshUntil(r SeriesRequest, window Range, now time.Time) time.Time {
	expires := now.Add(s.ttl(r.SeriesKey))
	if next := time.UnixMilli(r.DueAt(window.To)); next.Before(expires) {
		return next
	}
	return expires
}

// unoffered is the answer where nobody offers the series: one hole.
func (q *seriesQuestion[V]) unoffered(s *Service, r SeriesRequest) V {
	window := r.window(q.now)
	const nobody = ""
	v := q.kind.read(r, q.all.asset(r.Asset), History{Known: notOffered([]Range{window}, nobody, q.now)}, window, []string{nobody})
	v.reading().FreshUntil = s.freshUntil(r, window, q.now)
	return v
}

// consents tells whether the caller wants this answer, whose newest points lack, rather than an error.
func (f Freshness) consents(r *Reading, k SeriesKey, ttl time.Duration, now time.Time) bool {
	if f.StaleIfError <= 0 || r.Coverage.To == nil {
		return false
	}
	due := k.DueAt(r.Coverage.To.UnixMilli() + k.Interval.Step()) // when the answer began to lack a point
	return now.UnixMilli()-due < (max(ttl, f.MaxAge) + f.StaleIfError).Milliseconds()
}
