package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The name of the last section of the page, and its rows.
const (
	wayName  = "way"
	wayHot   = "hot: asked before"
	wayQuiet = "hot, of keys that are quiet"
	wayWarm  = "warm: value in memory"
	wayRedis = "value in Redis only"
)

const (
	goal = 1e5 // requests a second
	busy = 0.7 // of a core, or of a Redis, that may be used: above that, queues grow
)

// needs is what the goal takes.
type needs struct {
	cores             float64 // of the gateways
	commands          float64 // of Redis, a second
	served, primaries float64 // the requests a second that one Redis serves at its most; how many of them it takes
	in, out           float64 // Gbit/s
	log, stored       float64 // MB/s
}

func needsOf(s sample) needs {
	const bits, mega, giga, second = 8, 1e6, 1e9, 1e6
	n := needs{
		cores: goal * s.CPU / second / busy, commands: goal * s.RedisCommands,
		in: goal * s.Sent * bits / giga, out: goal * s.Received * bits / giga,
		log: goal * s.Own[ownLine] / mega, stored: goal * s.Own[ownStoredLine] / mega,
	}
	if s.RedisCPU > 0 {
		n.served = second / s.RedisCPU
		n.primaries = math.Ceil(goal / (busy * n.served))
	}
	return n
}

// onPaper computes what 100,000 requests a second take.
func (c curve) onPaper() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s requests/s of W1, with cores and Redis %.0f %% busy, take:\n\n", grouped(goal), 100*busy)
	fmt.Fprintln(&b, "| W1 | cores for gateways | Redis commands/s | requests/s that one Redis serves at its most | primaries of Redis | in Gbit/s | out Gbit/s | log MB/s | stored MB/s |")
	fmt.Fprintln(&b, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, s := range c.Samples {
		n := needsOf(s)
		fmt.Fprintf(&b, "| %s |", s.Label)
		for _, v := range []float64{n.cores, n.commands, n.served, n.primaries, n.in, n.out, n.log, n.stored} {
			fmt.Fprintf(&b, " %s |", figure(v))
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "\nCores are CPU for a request × %s ÷ %.1f. Redis runs commands on one thread, so a second of CPU is the most that one gives in a second.\n", grouped(goal), busy)
	if of := func(label string) int {
		return slices.IndexFunc(c.Samples, func(s sample) bool { return s.Label == label })
	}; of(wayHot) >= 0 && of(wayQuiet) >= 0 {
		b.WriteString("\n" + inWords(c.Samples[of(wayHot)], c.Samples[of(wayQuiet)]) + "\n")
	}
	return b.String()
}

// inWords says what comes first where the gateways multiply: asked by keys that are busy, or by many that are each quiet.
func inWords(s, quiet sample) string {
	const cores = 8 // of a usual server
	n := needsOf(s)
	text := fmt.Sprintf("So gateways with %s cores in all, such as %s of %d, carry it where all was asked before, by keys so busy that units are leased for them; %s. "+
		"Where it comes from keys that are each quiet, every operation is charged in Redis by itself: ",
		figure(n.cores), grouped(math.Ceil(n.cores/cores)), cores, meterOf(n))
	n = needsOf(quiet)
	text += fmt.Sprintf("that takes %s cores, and %s", figure(n.cores), meterOf(n))
	return text + fmt.Sprintf(". The provider does not see the requests: what is bought depends on how many values are asked for and on their TTL, and replicas share it. "+
		"Postgres sees the log, %s MB/s of it compressed, and what memory and Redis lack.", figure(n.stored))
}

// meterOf says what does not multiply with the gateways.
func meterOf(n needs) string {
	if n.primaries <= 1 {
		return "one Redis suffices for the meter"
	}
	return fmt.Sprintf("the meter's Redis, of which one is %.0f %% busy at %s requests/s, must be a Cluster of %s primaries", 100*busy, grouped(busy*n.served), grouped(n.primaries))
}
