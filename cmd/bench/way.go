package main

import (
	"fmt"
	"math"
	"strings"
)

// The name of the last section of the page, and its rows.
const (
	wayName  = "way"
	wayHot   = "hot: asked before"
	wayWarm  = "warm: value in memory"
	wayRedis = "value in Redis only"
)

const (
	goal = 1e5 // requests a second
	busy = 0.7 // of a core, or of a Redis, that may be used: above that, queues grow
)

// onPaper computes what 100,000 requests a second take.
func (c curve) onPaper() string {
	var b strings.Builder
	fmt.Fprintf(&b, "For %s requests/s of W1, with cores and Redis %.0f %% busy:\n\n", grouped(goal), 100*busy)
	fmt.Fprintln(&b, "| W1 | cores for gateways | Redis commands/s | of Redis at its most | primaries of Redis | in, Gbit/s | out, Gbit/s |")
	fmt.Fprintln(&b, "|---|--:|--:|--:|--:|--:|--:|")
	for _, s := range c.Samples {
		n := needsOf(s)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", s.Label, figure(n.cores), grouped(n.commands), figure(n.redis), grouped(n.primaries), figure(n.in), figure(n.out))
	}
	fmt.Fprintf(&b, "\nCores are CPU for a request × %s ÷ %.1f. “Of Redis at its most” is the CPU time that one Redis needs in a second; it runs commands on one thread, so a second is the most it has. ", grouped(goal), busy)
	for _, s := range c.Samples {
		if s.RedisCPU > 0 && s.RedisCommands > 0 {
			fmt.Fprintf(&b, "Here Redis spent %s µs on the %s commands of a request (%s), and so could serve %s requests/s. ", figure(s.RedisCPU), figure(s.RedisCommands), s.Label, grouped(1e6/s.RedisCPU))
		}
	}
	if len(c.Samples) > 0 {
		fmt.Fprint(&b, bottleneck(c.Samples[0]))
	}
	fmt.Fprint(&b, " The provider and Postgres do not grow with the requests: what is bought depends on how many values are asked for and on their TTL, and replicas share it.\n")
	return b.String()
}

// needs is what the goal takes.
type needs struct {
	cores, commands, redis, primaries float64
	in, out                           float64 // Gbit/s
}

func needsOf(s sample) needs {
	const bits, giga, second = 8, 1e9, 1e6
	redis := goal * s.RedisCPU / second
	return needs{
		cores: goal * s.CPU / second / busy, commands: goal * s.RedisCommands, redis: redis, primaries: math.Ceil(redis / busy),
		in: goal * s.Sent * bits / giga, out: goal * s.Received * bits / giga,
	}
}

// bottleneck says what comes first where the gateways multiply.
func bottleneck(s sample) string {
	n := needsOf(s)
	const cores = 8 // of a usual server
	text := fmt.Sprintf("So %s gateways of %d cores carry it where all was asked before", grouped(math.Ceil(n.cores/cores)), cores)
	if n.primaries > 1 {
		return text + fmt.Sprintf(", and the meter's Redis becomes the bottleneck at %s requests/s: beyond that it is a Redis Cluster of %s primaries, over which the keys of callers spread.", grouped(busy*1e6/s.RedisCPU), grouped(n.primaries))
	}
	return text + ", and one Redis suffices for the meter."
}
