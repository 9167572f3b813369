package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/market"
)

// workload is the table's of this name.
func (g *growth) workload(name string) workload {
	i := slices.IndexFunc(g.workloads, func(w workload) bool { return w.name == name })
	return g.workloads[i]
}

// assetsAsked is one simplePrice of more and more assets, drawn at random: its values are in memory, its answer is not.
func (g *growth) assetsAsked(ctx context.Context) (curve, error) {
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same operations in each run
	w := g.workload("W2")
	ask := func(n int) []map[string]any {
		ids := make([]string, n)
		for i, at := range random.Perm(len(g.assets))[:n] {
			ids[i] = g.assets[at]
		}
		return []map[string]any{{"assets": ids, "currencies": currencies[:1]}}
	}
	samples, err := g.fresh(ctx, []float64{1, 2, 5, 10, 25, 50, 100, 250}, func(x float64) (s sample, err error) {
		p, err := g.gateway(ctx, "REDIS_URL="+g.redisURL, "ANSWER_CACHE=0")
		if err != nil {
			return s, err
		}
		if err := askAll(ctx, p.addr, w.requests(p.addr, ask(len(g.assets)))); err != nil {
			return s, err
		}
		var variables []map[string]any
		for range 500 {
			variables = append(variables, ask(int(x))...)
		}
		if s, err = g.measure(ctx, []target{{p.addr, w.requests(p.addr, variables)}}, []*process{p}, g.connections); err != nil {
			return s, err
		}
		return s, g.stop(p.name)
	})
	return curve{
		Title: "Assets asked in one simplePrice", XLabel: "assets asked", Unit: "assets", Samples: samples,
		How: fmt.Sprintf("All fields in one currency; assets drawn at random from %d; values in memory, reuse of answers off; %d connections.", len(g.assets), g.connections),
	}, err
}

// span is a chart as it is asked for.
type span struct {
	interval market.Interval
	days     int
}

func (s span) points() int { return s.days * s.interval.PerDay() }

// pointsOfAChart is one chart that is longer and longer.
func (g *growth) pointsOfAChart(ctx context.Context) (curve, error) {
	const years = 10
	assets := 8
	if g.quick {
		assets = 3
	}
	var stored []storedSeries
	for _, asset := range g.assets[:assets] {
		stored = append(stored, storedSeries{asset, "usd"})
	}
	if err := g.postgres.empty(ctx); err != nil {
		return curve{}, err
	}
	for _, s := range []span{{market.Daily, years * 365}, {market.Hourly, years * 365}} {
		if _, err := g.postgres.fill(ctx, stored, s); err != nil {
			return curve{}, err
		}
	}
	spans := []span{
		{market.Daily, 30},
		{market.Daily, 90},
		{market.Daily, 365},
		{market.Daily, 730},
		{market.Hourly, 90},
		{market.Hourly, 365},
		{market.Hourly, 3 * 365},
		{market.Hourly, years * 365},
	}
	var at []float64
	for _, s := range spans {
		at = append(at, float64(s.points()))
	}
	samples, err := g.fresh(ctx, at, func(x float64) (sample, error) {
		return g.chart(ctx, spans[slices.Index(at, x)], g.assets[:assets])
	})
	return curve{
		Title: "Points of one chart, as columns", XLabel: "points", Unit: "points", Samples: samples,
		How: fmt.Sprintf("`timestamps prices` of one of %d assets: up to 730 days daily, then hourly, up to 10 years; values in memory, reuse of answers off; %d connections. "+
			"The points were put straight into Postgres: CoinGecko sells hourly history in windows of 90 days, and none from before 2018.", assets, g.connections),
	}, err
}

// chart measures charts of one span.
func (g *growth) chart(ctx context.Context, asked span, assets []string) (s sample, err error) {
	p, err := g.gateway(ctx, "REDIS_URL="+g.redisURL, "ANSWER_CACHE=0")
	if err != nil {
		return s, err
	}
	w := workload{document: fmt.Sprintf("query Chart($asset: ID!, $days: Days!) { marketChart(asset: $asset, currency: USD, interval: %s, days: $days) { timestamps prices } }", strings.ToUpper(asked.interval.String()))}
	var variables []map[string]any
	for _, asset := range assets {
		variables = append(variables, map[string]any{"asset": asset, "days": asked.days})
	}
	requests := w.requests(p.addr, variables)
	for _, q := range requests { // one by one: no more memory than it takes
		if err := askAll(ctx, p.addr, []request{q}); err != nil {
			return s, err
		}
	}
	before, err := p.cached(ctx)
	if err != nil {
		return s, err
	}
	if s, err = g.measure(ctx, []target{{p.addr, requests}}, []*process{p}, g.connections); err != nil {
		return s, err
	}
	after, err := p.cached(ctx)
	if err != nil {
		return s, err
	}
	s.Own = map[string]float64{ownMemoryShare: after.since(before).share("memory")}
	return s, g.stop(p.name)
}

// rowsStored is a read that neither memory nor Redis can answer, while the table grows.
func (g *growth) rowsStored(ctx context.Context) (curve, error) {
	const (
		years       = 5
		rowsOfOne   = years * 365
		connections = 8
	)
	sizes := []float64{1e5, 1e6, 5e6, 2e7}
	if g.quick {
		sizes = sizes[:2]
	}
	var samples []sample
	for _, rows := range sizes {
		if err := g.postgres.empty(ctx); err != nil {
			return curve{}, err
		}
		stored := g.someSeries(int(rows / rowsOfOne))
		size, err := g.postgres.fill(ctx, stored, span{market.Daily, rowsOfOne})
		if err != nil {
			return curve{}, err
		}
		one, err := g.fresh(ctx, []float64{rows}, func(float64) (s sample, err error) {
			p, err := g.gateway(ctx, "REDIS_URL="+g.emptyURL, "ANSWER_CACHE=0", "MEMORY_CACHE=0", "CHART_DAILY_TTL=1ms")
			if err != nil {
				return s, err
			}
			random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same operations in each run
			var variables []map[string]any
			for range 4000 {
				one := stored[random.IntN(len(stored))]
				variables = append(variables, map[string]any{"asset": one.asset, "currency": strings.ToUpper(string(one.currency)), "days": 365})
			}
			w := g.workload("W3")
			before, err := p.cached(ctx)
			if err != nil {
				return s, err
			}
			g.market.ResetCalls()
			if s, err = g.measure(ctx, []target{{p.addr, w.requests(p.addr, variables)}}, []*process{p}, connections); err != nil {
				return s, err
			}
			if n := g.market.Counts()[chartEndpoint]; n > 0 {
				return s, fmt.Errorf("%d charts were bought that are stored", n)
			}
			after, err := p.cached(ctx)
			if err != nil {
				return s, err
			}
			s.Own = map[string]float64{ownStoredShare: after.since(before).missed(), ownTable: float64(size) / (1 << 20)}
			return s, g.stop(p.name)
		})
		if err != nil {
			return curve{}, err
		}
		samples = append(samples, one...)
	}
	return curve{
		Title: "Rows stored, on a read that misses memory and Redis", XLabel: "rows in charts.points", Unit: "rows", Samples: samples,
		How: fmt.Sprintf("365 daily points of one of all stored series, drawn at random; %d rows a series, written day by day as daily refreshes do; "+
			"no memory, and a TTL of 1 ms in Redis, so that Postgres is read each time; %d connections.", rowsOfOne, connections),
	}, nil
}

// someSeries are so many daily series of different assets and currencies.
func (g *growth) someSeries(n int) []storedSeries {
	all := market.AllCurrencies()
	stored := make([]storedSeries, n)
	for i := range stored {
		stored[i] = storedSeries{g.assets[i%len(g.assets)], all[i/len(g.assets)]}
	}
	return stored
}

const (
	chartEndpoint = "/coins/{id}/market_chart"
	priceEndpoint = "/simple/price"
)

// replicas is one load on more and more gateways, which share one Redis and one Postgres.
func (g *growth) replicas(ctx context.Context) (curve, error) {
	const (
		charts = 60 // asked of all of them at the same time when none has anything
		prices = 50 // which expire each second
	)
	var w1, w3 []map[string]any
	for _, asset := range g.assets[:charts] {
		w3 = append(w3, map[string]any{"asset": asset, "currency": "USD", "days": 365})
	}
	for _, asset := range g.assets[:prices] {
		w1 = append(w1, map[string]any{"asset": asset, "currency": "USD"})
	}
	samples, err := g.fresh(ctx, []float64{1, 2, 3}, func(x float64) (s sample, err error) {
		if err := g.postgres.empty(ctx); err != nil {
			return s, err
		}
		if err := g.redis.client.FlushDB(ctx).Err(); err != nil {
			return s, err
		}
		var processes []*process
		var targets []target
		for range int(x) {
			p, err := g.gateway(ctx, "REDIS_URL="+g.redisURL, "PRICE_TTL=1s")
			if err != nil {
				return s, err
			}
			processes, targets = append(processes, p), append(targets, target{p.addr, g.workload("W1").requests(p.addr, w1)})
		}
		g.market.ResetCalls()
		var cold errgroup.Group
		for _, p := range processes {
			cold.Go(func() error { return askAll(ctx, p.addr, g.workload("W3").requests(p.addr, w3)) })
		}
		if err := cold.Wait(); err != nil {
			return s, err
		}
		chartCalls := g.market.Counts()[chartEndpoint]
		began := time.Now()
		if s, err = g.measure(ctx, targets, processes, g.connections); err != nil {
			return s, err
		}
		s.Own = map[string]float64{ownChartCalls: float64(chartCalls), ownPriceCalls: float64(g.market.Counts()[priceEndpoint]) / time.Since(began).Seconds()}
		for _, p := range processes {
			if err := g.stop(p.name); err != nil {
				return s, err
			}
		}
		return s, nil
	})
	return curve{
		Title: "Replicas on one Redis and one Postgres", XLabel: "replicas", Unit: "replicas", Samples: samples,
		How: fmt.Sprintf("One price of %d assets with a TTL of one second, all fields; %d connections over all replicas, memory of all together. Before, all replicas are asked for the same %d charts at once, which none has. "+
			"The %d CPUs here are shared by the replicas, Redis, Postgres, the provider and what loads them: more replicas cannot answer more, but CPU for each request shows what one costs the other.",
			prices, g.connections, charts, cpus),
	}, err
}

// connectionsOpen is the same rate of requests on more and more connections.
func (g *growth) connectionsOpen(ctx context.Context) (curve, error) {
	rate, duration, at := 2000.0, 10*time.Second, []float64{32, 100, 1000, 5000, 10_000}
	if g.quick {
		rate, duration, at = 500, 2*time.Second, at[:4]
	}
	how := fmt.Sprintf("W1, asked before, %.0f requests/s on all connections together; each has asked once before it idles. The kernel's buffers are in neither figure of memory.", rate)
	// Both ends have files: this program's, and the gateway's, which inherits the limit.
	const others = 200
	open, err := filesAllowed()
	if err != nil {
		return curve{}, err
	}
	if i := slices.IndexFunc(at, func(n float64) bool { return int(n)+others > open }); i >= 0 {
		how += fmt.Sprintf(" %s connections and more are left out: this machine allows a process %d open files.", short(at[i]), open)
		at = at[:i]
	}
	samples, err := g.fresh(ctx, at, func(x float64) (sample, error) { return g.connected(ctx, int(x), rate, duration) })
	return curve{Title: "Connections", XLabel: "connections", Unit: "connections", Samples: samples, How: how}, err
}

// filesAllowed raises the soft limit of open files to the hard one.
func filesAllowed() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	return int(min(limit.Cur, 1<<30)), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// connected measures so many connections at a rate.
func (g *growth) connected(ctx context.Context, connections int, rate float64, duration time.Duration) (s sample, err error) {
	p, err := g.gateway(ctx, "REDIS_URL="+g.redisURL)
	if err != nil {
		return s, err
	}
	w := g.workload("W1")
	requests := w.requests(p.addr, w.hot)
	if err := askAll(ctx, p.addr, requests); err != nil {
		return s, err
	}
	base, err := p.resident()
	if err != nil {
		return s, err
	}
	var clients []*client
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	for len(clients) < connections { // a few at a time: a gateway does not wait for long for a connection's first request
		const together = 50
		more, err := dial(ctx, []target{{p.addr, requests}}, min(together, connections-len(clients)))
		clients = append(clients, more...)
		if err != nil {
			return s, fmt.Errorf("after %d connections: %w", len(clients), err)
		}
		for _, c := range more {
			c.reader = bufio.NewReaderSize(c, 1<<12) // there are many
			if err := c.ask(requests[0], new(loaded)); err != nil {
				return s, fmt.Errorf("after %d connections: %w", len(clients), err)
			}
		}
	}
	idle, err := p.resident()
	if err != nil {
		return s, err
	}
	before, err := g.spent(ctx, []*process{p})
	if err != nil {
		return s, err
	}
	l, err := loadOver(ctx, clients, duration, rate)
	if err != nil {
		return s, err
	}
	after, err := g.spent(ctx, []*process{p})
	if err != nil {
		return s, err
	}
	s.put(l.requests, before, after)
	s.Rate, s.P50, s.P99 = l.rate(), micros(l.percentile(0.5)), micros(l.percentile(0.99))
	s.Sent, s.Received = float64(l.sent)/float64(l.requests), float64(l.received)/float64(l.requests)
	if err := s.memory([]*process{p}); err != nil {
		return s, err
	}
	const kib, many = 1024, 1000 // fewer than that are lost in what else varies
	if connections >= many {
		s.Own = map[string]float64{
			ownIdle:   (idle - base) * kib / float64(connections),
			ownActive: (s.Resident - base) * kib / float64(connections),
		}
	}
	return s, g.stop(p.name)
}

// way is what the computation for 100,000 requests/s needs: one price, asked before, with leases of units and without, with its
// value in memory, and with its value in Redis only.
func (g *growth) way(ctx context.Context) (curve, error) {
	w := g.workload("W1")
	kinds := []struct {
		label     string
		env       []string
		variables []map[string]any
	}{
		{wayHot, nil, w.hot},
		{wayQuiet, []string{"RATE_LIMIT_LEASE=0"}, w.hot},
		{wayWarm, []string{"ANSWER_CACHE=0"}, w.warm},
		{wayRedis, []string{"ANSWER_CACHE=0", "MEMORY_CACHE=0"}, w.warm},
	}
	samples, err := g.fresh(ctx, []float64{1, 2, 3, 4}, func(x float64) (s sample, err error) {
		kind := kinds[int(x)-1]
		if err := g.postgres.forgetLog(ctx); err != nil {
			return s, err
		}
		p, err := g.gateway(ctx, append(kind.env, "REDIS_URL="+g.redisURL)...)
		if err != nil {
			return s, err
		}
		requests := w.requests(p.addr, kind.variables)
		if err := askAll(ctx, p.addr, requests); err != nil {
			return s, err
		}
		if s, err = g.measure(ctx, []target{{p.addr, requests}}, []*process{p}, g.connections); err != nil {
			return s, err
		}
		s.Label = kind.label
		if err := g.stop(p.name); err != nil { // which ships the last of its log
			return s, err
		}
		line, stored, err := g.postgres.logged(ctx)
		s.Own = map[string]float64{ownLine: line, ownStoredLine: stored}
		return s, err
	})
	return curve{
		Title: "The way to 100,000 requests/s, on paper", XLabel: "W1", Samples: samples,
		How: fmt.Sprintf("W1, one price with all fields, with the meter in Redis; %d connections.", g.connections),
	}, err
}
