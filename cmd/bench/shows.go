package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// shows says in words what the curve shows. All of it is computed.
func (c curve) shows() string {
	if len(c.Samples) < 2 {
		return "One point only."
	}
	x, cpu := c.x(), figures(c.Samples, func(s sample) float64 { return s.CPU })
	first, last := c.Samples[0], c.Samples[len(c.Samples)-1]
	switch c.Name {
	case "assets", "points":
		return c.tenfold(cpu) + " " + c.parts(x, cpu) + " " + c.memoryShows(first, last) + c.fromMemoryShows()
	case "rows":
		postgres := ""
		if pg := figures(c.Samples, func(s sample) float64 { return s.PostgresCPU }); slices.Min(pg) > 0 {
			postgres = fmt.Sprintf(", and %s × the CPU of Postgres (from %s to %s µs)", figure(math.Pow(10, slope(x, pg))), figure(first.PostgresCPU), figure(last.PostgresCPU))
		}
		return strings.TrimSuffix(c.tenfold(cpu), ".") + postgres + fmt.Sprintf(". The table with its index grew from %s to %s MiB, p50 from %s to %s ms; %.0f %% of the look-ups or more were answered by Postgres. The gateway's memory had %s MiB at its peak, then %s.",
			figure(first.Own[ownTable]), figure(last.Own[ownTable]), figure(first.P50/1000), figure(last.P50/1000), math.Floor(100*slices.Min(figures(c.Samples, func(s sample) float64 { return s.Own[ownStoredShare] }))), figure(first.Peak), figure(last.Peak))
	case "replicas":
		return fmt.Sprintf("From %s to %s replicas, CPU for a request goes from %s to %s µs (%s), and what Redis spends on one from %s to %s µs; all replicas together answer %s to %s requests/s on the same CPUs. "+
			"The charts that all were asked for at once were bought with %s; prices that expire each second took %s.",
			grouped(first.X), grouped(last.X), figure(first.CPU), figure(last.CPU), change(first.CPU, last.CPU), figure(first.RedisCPU), figure(last.RedisCPU), grouped(first.Rate), grouped(last.Rate),
			c.spread(ownChartCalls, "calls"), c.spread(ownPriceCalls, "calls a second"))
	case "connections":
		text := fmt.Sprintf("With %s × the connections at the same rate, CPU for a request changes from %s to %s µs (%s), p99 from %s to %s ms.",
			figure(last.X/first.X), figure(first.CPU), figure(last.CPU), change(first.CPU, last.CPU), figure(first.P99/1000), figure(last.P99/1000))
		if last.Own[ownIdle] > 0 {
			text += fmt.Sprintf(" At %s connections, one that is idle takes %s KiB of the gateway's memory, one in use %s KiB: %s MiB in all at the peak.",
				grouped(last.X), figure(last.Own[ownIdle]), figure(last.Own[ownActive]), figure(last.Peak))
		}
		return text
	default:
		return c.tenfold(cpu)
	}
}

// tenfold says what ten times as much costs.
func (c curve) tenfold(cpu []float64) string {
	b := slope(c.x(), cpu)
	return fmt.Sprintf("10 × %s cost %s × CPU (slope %.2f over the whole range).", c.Unit, figure(math.Pow(10, b)), math.Round(b*100)/100+0) // no -0.00
}

// parts splits the cost into what a request costs anyway, and what each unit adds.
func (c curve) parts(x, cpu []float64) string {
	fixed, each := straight(x, cpu)
	switch {
	case each <= 0:
		return "It does not grow with them."
	case fixed <= 0:
		return fmt.Sprintf("That is near to %s µs for each of its %s, and nothing besides.", figure(each), c.Unit)
	}
	return fmt.Sprintf("That is near to %s µs for the request and %s µs for each of its %s.", figure(fixed), figure(each), c.Unit)
}

func (c curve) memoryShows(first, last sample) string {
	return fmt.Sprintf("At %s, an answer has %s KiB, p50 is %s ms (%s ms at %s), and the gateway's peak %s MiB (%s).",
		grouped(last.X), figure(last.Received/1024), figure(last.P50/1000), figure(first.P50/1000), grouped(first.X), figure(last.Peak), figure(first.Peak))
}

// fromMemoryShows names the points whose values memory did not keep.
func (c curve) fromMemoryShows() string {
	if c.Name != "points" {
		return ""
	}
	const nearlyAll = 0.99
	var not []string
	for _, s := range c.Samples {
		if share := s.Own[ownMemoryShare]; share < nearlyAll {
			not = append(not, fmt.Sprintf("%s points (%.0f %% from memory)", grouped(s.X), 100*share))
		}
	}
	if not == nil {
		return " Memory kept all of the values."
	}
	return " Memory did not keep all values of " + strings.Join(not, ", ") + "."
}

// spread is the least and the most of a figure.
func (c curve) spread(name, unit string) string {
	values := figures(c.Samples, func(s sample) float64 { return s.Own[name] })
	if least, most := figure(slices.Min(values)), figure(slices.Max(values)); least != most {
		return least + " to " + most + " " + unit
	}
	return figure(values[0]) + " " + unit
}

// change is by how much a figure has changed.
func change(from, to float64) string {
	return fmt.Sprintf("%+.0f %%", 100*(to/from-1))
}

// figure writes a number with three digits that count.
func figure(v float64) string {
	switch {
	case math.Abs(v) > 0.5 && math.Abs(v-math.Round(v)) < 1e-9:
		return grouped(v)
	case v == 0 || math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case math.Abs(v) >= 100:
		return grouped(v)
	}
	return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(math.Abs(v))))), 64)
}

// grouped writes a whole number with its thousands apart.
func grouped(v float64) string {
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
