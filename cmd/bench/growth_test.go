package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseGrowth(t *testing.T) {
	parse := func(args ...string) (growthOptions, error) { return parseGrowth(args, io.Discard) }
	o, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	if o.program != "bin/coingraph" || o.rounds != 3 || o.duration != 2*time.Second || o.connections != 32 || o.quick || o.draw || o.only != nil || o.dir != "docs/performance" {
		t.Errorf("without arguments: %+v", o)
	}
	if o, err = parse("-only", "assets,connections", "-quick", "-duration", "3s", "-rounds", "9", "-dir", "elsewhere", "-draw"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"assets", "connections"}, o.only); diff != "" {
		t.Error(diff)
	}
	if !o.quick || o.duration != 500*time.Millisecond || o.rounds != 1 || o.dir != "elsewhere" || !o.draw {
		t.Errorf("quick: %+v", o)
	}
	for _, bad := range [][]string{{"-only", "asset"}, {"-only", "assets,"}, {"-rounds", "0"}, {"-duration", "0"}, {"-connections", "-1"}, {"-nothing"}, {"assets"}} {
		if o, err := parse(bad...); err == nil {
			t.Errorf("%v is %+v", bad, o)
		}
	}
}

func TestMedians(t *testing.T) {
	got := medians([]sample{
		{X: 5, CPU: 3, Rate: 10, P99: 7, Own: map[string]float64{ownIdle: 1}},
		{X: 5, CPU: 1, Rate: 30, P99: 8, Own: map[string]float64{ownIdle: 3}},
		{X: 5, CPU: 2, Rate: 20, P99: 9, Own: map[string]float64{ownIdle: 2}},
	})
	if diff := cmp.Diff(sample{X: 5, CPU: 2, Rate: 20, P99: 8, Own: map[string]float64{ownIdle: 2}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestPageKeepsOtherCurves: what is not measured again stays, and the order is that of the page.
func TestPageKeepsOtherCurves(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "performance")
	curveNamed := func(name string, cpu float64) curve {
		c := curve{Name: name, Title: "Title of " + name, XLabel: "x", Unit: "things", How: "So.", Machine: "a machine", Measured: time.Unix(1e9, 0).UTC()}
		for _, x := range []float64{1, 10, 100} {
			c.Samples = append(c.Samples, sample{X: x, CPU: cpu * x, Rate: 1, P50: 1, P99: 2, Resident: 3, Peak: 4, Own: map[string]float64{ownMemoryShare: 1}})
		}
		return c
	}
	for _, c := range []curve{curveNamed("points", 1), curveNamed("assets", 2), curveNamed("points", 3)} {
		p, err := readPage(dir)
		if err != nil {
			t.Fatal(err)
		}
		p.put(c)
		if err := p.write(dir); err != nil {
			t.Fatal(err)
		}
	}
	p, err := readPage(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]curve{curveNamed("assets", 2), curveNamed("points", 3)}, p.Curves); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile(filepath.Join(dir, "growth.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"](assets.svg)", "](points.svg)", "10 × things cost 10 × CPU (slope 1.00", "Memory kept all of the values.", "| x | CPU µs/request |", "| 100 | 300 |", "2001-09-09: a machine.",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not on the page:\n%s", want, text)
		}
	}
	for _, name := range []string{"assets.svg", "points.svg"} {
		if svg, err := os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		} else if d := drawingOf(t, svg); len(d.circles) != 3*3+2*3 {
			t.Errorf("%s has %d points", name, len(d.circles))
		}
	}
}

// TestShows: what the page says follows from the figures.
func TestShows(t *testing.T) {
	two := func(name string, first, last sample) string {
		return curve{Name: name, Unit: name, Samples: []sample{first, last}}.shows()
	}
	for _, c := range []struct{ got, want string }{
		{two("rows", sample{X: 1e5, CPU: 100, PostgresCPU: 50, Peak: 51}, sample{X: 1e7, CPU: 100, PostgresCPU: 200, Peak: 52}), "10 × rows cost 1 × CPU (slope 0.00 over the whole range), and 2 × the CPU of Postgres (from 50 to 200 µs)."},
		{two("rows", sample{X: 1e5, CPU: 100}, sample{X: 1e7, CPU: 100}), "10 × rows cost 1 × CPU (slope 0.00 over the whole range). The table"},
		{two("replicas", sample{X: 1, CPU: 100, Own: map[string]float64{ownChartCalls: 60}}, sample{X: 3, CPU: 105, Own: map[string]float64{ownChartCalls: 60}}), "from 100 to 105 µs (+5 %)"},
		{two("replicas", sample{X: 1, CPU: 1, Own: map[string]float64{ownChartCalls: 60}}, sample{X: 3, CPU: 1, Own: map[string]float64{ownChartCalls: 61}}), "60 to 61 calls"},
		{two("points", sample{X: 30, CPU: 1}, sample{X: 87_600, CPU: 1, Own: map[string]float64{ownMemoryShare: 0.5}}), "87,600 points (50 % from memory)"},
		{two("connections", sample{X: 32, CPU: 100}, sample{X: 10_000, CPU: 150, Own: map[string]float64{ownIdle: 30.3}}), "At 10,000 connections, one that is idle takes 30.3 KiB"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%q does not say %q", c.got, c.want)
		}
	}
}

func TestOnPaper(t *testing.T) {
	s := sample{Label: wayHot, CPU: 70, Sent: 500, Received: 1250, RedisCPU: 20, RedisCommands: 7, Own: map[string]float64{ownLine: 300, ownStoredLine: 30}}
	got := needsOf(s)
	want := needs{cores: 10, commands: 700_000, served: 50_000, primaries: 3, in: 0.4, out: 1, log: 30, stored: 3}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(needs{}), cmp.Comparer(near)); diff != "" {
		t.Error(diff)
	}
	busyKeys := s
	busyKeys.RedisCPU, busyKeys.CPU = 5, 49
	s.Label = wayQuiet
	text := curve{Name: wayName, Samples: []sample{busyKeys, s}}.onPaper()
	for _, want := range []string{"with 7 cores in all, such as 1 of 8", "for them; one Redis suffices", "takes 10 cores, and the meter's Redis", "70 % busy at 35,000 requests/s", "Cluster of 3 primaries", "3 MB/s"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0: "–", 60: "60", 0.1234: "0.123", 1.005: "1.00", 12.34: "12.3", 123.4: "123", 1234.6: "1,235", 1_234_567: "1,234,567", -5.5: "-5.50"} {
		if got := figure(v); got != want {
			t.Errorf("%v is %q, not %q", v, got, want)
		}
	}
}

func TestReadCached(t *testing.T) {
	c, err := readCached(strings.NewReader(`# TYPE coingraph_cache_hits_total counter
coingraph_cache_hits_total{kind="chart",tier="memory"} 6
coingraph_cache_hits_total{kind="price",tier="memory"} 2
coingraph_cache_hits_total{kind="price",tier="redis"} 1
coingraph_cache_misses_total{kind="price"} 1
coingraph_cache_bytes{tier="memory"} 77
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.share("memory") != 0.8 || c.share("redis") != 0.1 || c.missed() != 0.1 {
		t.Errorf("%+v", c)
	}
	if d := c.since(c); d.total() != 0 {
		t.Errorf("between a reading and itself: %+v", d)
	}
}

func TestInfoField(t *testing.T) {
	const info = "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.25\r\n"
	if v, err := infoField(info, "used_cpu_user"); err != nil || v != 2.25 {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := infoField(info, "used_cpu"); err == nil {
		t.Error("a part of a name was taken for it")
	}
}

func TestDayByDay(t *testing.T) {
	const hour = 3600e3
	type row struct {
		id int32
		ts int64
	}
	var got []row
	for id, ts := range dayByDay([]int32{7, 9}, 0, 26*hour, 12*hour) { // the last day is short
		got = append(got, row{id, ts / hour})
	}
	want := []row{{7, 0}, {7, 12}, {9, 0}, {9, 12}, {7, 24}, {9, 24}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

// TestLoad: each connection has its say, and what went over the wire is counted.
func TestLoad(t *testing.T) {
	const body = "hello"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	defer server.Close()
	addr := server.Listener.Addr().String()
	q := request("GET / HTTP/1.1\r\nHost: " + addr + "\r\n\r\n")
	// More connections than requests: those that have none do not end the others.
	for range 20 {
		if err := askAll(t.Context(), addr, []request{q}); err != nil {
			t.Fatal(err)
		}
	}
	clients, err := dial(t.Context(), []target{{addr, []request{q}}, {addr, []request{q}}}, 5)
	defer func() { _ = hangUp(clients) }()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		var l loaded
		if err := c.ask(q, &l); err != nil {
			t.Fatal(err)
		}
		if l.requests != 1 || l.sent != len(q) || c.read <= len(body) {
			t.Errorf("%+v, %d bytes read", l, c.read)
		}
	}
	l, err := loadOver(t.Context(), clients, 20*time.Millisecond, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.latencies) != l.requests || l.sent != l.requests*len(q) || !slices.IsSorted(l.latencies) || l.took < 20*time.Millisecond {
		t.Errorf("%d requests, %d latencies, %d bytes sent in %v", l.requests, len(l.latencies), l.sent, l.took)
	}
}
