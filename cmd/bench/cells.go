package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

var (
	cpus      = runtime.NumCPU()
	goVersion = runtime.Version()
)

// column is a server in the table.
type column struct {
	name  string
	limit bool // it is what others are compared with
}

// cell is a workload on a server, and what was measured of it.
type cell struct {
	workload workload
	column   column
	target   target
	process  *process
	against  *cell // the limit that it is compared with; nil: it is one

	cpu      []time.Duration // for each request, by round
	rates    []float64       // requests a second
	p50, p99 []time.Duration

	busy50, busy99 []time.Duration // at busyShare of the most that it can do
}

// busyShare is the part of a server's highest load at which latencies are measured apart: there, who waits does not only
// wait for the others of a closed loop.
const busyShare = 0.7

func (c *cell) name() string { return c.workload.name + " " + c.column.name }

// cells are all of the table, each limit before what is compared with it.
func (r *rig) cells() []*cell {
	var all []*cell
	add := func(w workload, column column, process string, variables []map[string]any, against *cell) *cell {
		p := r.processes[process]
		c := &cell{workload: w, column: column, process: p, against: against}
		if column.limit {
			c.target = target{p.addr, w.limitRequests(p.addr, variables)}
		} else {
			c.target = target{p.addr, w.requests(p.addr, variables)}
		}
		all = append(all, c)
		return c
	}
	for _, w := range r.workloads {
		if w.name == "W6" {
			pg := add(w, column{"pg", true}, limitPG, w.warm, nil)
			add(w, column{name: "stored"}, gatewayStale, w.warm, pg)
			continue
		}
		variables := w.hot
		if variables == nil {
			variables = w.warm
		}
		static := add(w, column{"static", true}, limitStatic, variables, nil)
		if w.hot != nil {
			add(w, column{name: "hot"}, gateway, w.hot, static)
			add(w, column{name: "hot, meter in process"}, gatewayLocal, w.hot, static)
			if w.name == "W1" {
				add(w, column{name: "hot, no log"}, gatewaySilent, w.hot, static)
				add(w, column{name: "hot, no leases"}, gatewayAsking, w.hot, static)
			}
		}
		add(w, column{name: "warm"}, gatewayWarm, w.warm, static)
		if len(w.name) == 2 && w.name[0] == 'W' {
			get := add(w, column{"redis", true}, limitRedisGet, variables, nil)
			add(w, column{name: "from redis"}, gatewayFar, w.warm, get)
		}
	}
	return all
}

// needed leaves out limits that nothing is compared with.
func needed(cells []*cell) []*cell {
	return slices.DeleteFunc(cells, func(c *cell) bool {
		return c.column.limit && !slices.ContainsFunc(cells, func(o *cell) bool { return o.against == c })
	})
}

// measure loads the cell's server once.
func (c *cell) measure(ctx context.Context, o options) error {
	if _, err := load(ctx, c.target, o.connections, o.duration/8, 0); err != nil { // connections, caches of the CPU
		return err
	}
	before, err := c.process.cpu()
	if err != nil {
		return err
	}
	l, err := load(ctx, c.target, o.connections, o.duration, 0)
	if err != nil {
		return err
	}
	after, err := c.process.cpu()
	if err != nil {
		return err
	}
	c.cpu = append(c.cpu, (after-before)/time.Duration(max(1, l.requests)))
	c.rates = append(c.rates, l.rate())
	c.p50, c.p99 = append(c.p50, l.percentile(0.5)), append(c.p99, l.percentile(0.99))
	l, err = load(ctx, c.target, o.connections, o.duration/2, busyShare*l.rate())
	c.busy50, c.busy99 = append(c.busy50, l.percentile(0.5)), append(c.busy99, l.percentile(0.99))
	return err
}

// ratios are the cell's CPU times as multiples of its limit's in the same round.
func (c *cell) ratios() []float64 {
	ratios := make([]float64, len(c.cpu))
	for i := range c.cpu {
		ratios[i] = float64(c.cpu[i]) / float64(c.against.cpu[i])
	}
	return ratios
}

func median[T ~int64 | ~float64](v []T) T {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}

func report(out io.Writer, cells []*cell) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "workload\tcolumn\tCPU µs/request\t× limit\t(least to most)\trequests/s\tp50\tp99\tp50 at 70 %\tp99 at 70 %")
	for _, c := range cells {
		ratio, span := "1", ""
		if c.against != nil {
			r := c.ratios()
			ratio, span = fmt.Sprintf("%.2f", median(r)), fmt.Sprintf("%.2f to %.2f", slices.Min(r), slices.Max(r))
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%s\t%s\t%.0f\t%v\t%v\t%v\t%v\n", c.workload.name, c.column.name, float64(median(c.cpu).Nanoseconds())/1000, ratio, span,
			median(c.rates), median(c.p50).Round(10*time.Microsecond), median(c.p99).Round(10*time.Microsecond),
			median(c.busy50).Round(10*time.Microsecond), median(c.busy99).Round(10*time.Microsecond))
	}
	_ = w.Flush()
	seen := make(map[*process]bool)
	for _, c := range cells {
		if p := c.process; !seen[p] && !c.column.limit {
			seen[p] = true
			if mib, err := p.peak(); err == nil {
				fmt.Fprintf(out, "%s: %.0f MiB at its peak\n", p.name, mib)
			}
		}
	}
}
