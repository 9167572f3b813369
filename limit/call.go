package limit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/pipeline"
)

// call is a charge on its way. It is used again when its caller has waited for the answer, with all that it has allocated.
type call struct {
	pipeline.Call
	redis *Redis

	subject string
	tier    *tier
	units   Units

	whole bool      // the server lacks the script
	asked time.Time // when the last attempt left, by this replica's clock
	until int64     // the time after which nobody waits, in µs, by the server's clock
	args  []any
	cmd   once

	tally tally
	err   error
}

// once is a command that the client must not send again on its own when an answer fails to come.
type once struct{ *redis.StringCmd }

// NoRetry implements [redis.Cmder].
func (once) NoRetry() bool { return true }

func (r *Redis) newCall(subject string, t *tier, units Units) *call {
	c, ok := r.spare.Get().(*call)
	if !ok {
		c = &call{redis: r}
	}
	c.subject, c.tier, c.units, c.whole, c.asked = subject, t, units, false, time.Time{}
	c.tally, c.err = tally{}, nil
	c.Reset(c, 1)
	return c
}

// Prepare appends the script's call; with the script's whole text when the server does not have it yet.
func (c *call) Prepare(t *pipeline.Trip, cmds []redis.Cmder) []redis.Cmder {
	r := c.redis
	if t.First(r) {
		r.roundTrips.Add(1)
	}
	if c.asked.IsZero() {
		r.operations.Add(1)
	}
	c.asked = r.opts.Now()
	ahead := time.Duration(r.ahead.Load())
	c.until = c.asked.Add(ahead + t.Until.Sub(t.Sent)).UnixMicro()
	c.args = append(c.args[:0], r.names.args(r, c.subject, c.tier, r.policy.start(c.asked.Add(ahead)))...)
	if c.whole && t.First(&r.sha) { // the others find the script that the first has brought
		c.args[0], c.args[1] = "eval", chargeScript
	}
	n := len(c.tier.endpoints)
	c.args[untilArg(n)] = &c.until
	for i, e := range c.tier.endpoints {
		if c.units[e] > 0 {
			c.args[unitsArg(n, i)] = c.units[e]
		}
	}
	if c.cmd.StringCmd == nil || !same(c.cmd.Args(), c.args) || r.lanes.Clustered() { // there, a command may remember where it went
		c.cmd.StringCmd = redis.NewStringCmd(context.Background(), c.args...)
	} else {
		c.cmd.SetErr(nil)
		c.cmd.SetVal("")
	}
	return append(cmds, c.cmd)
}

// same tells whether the slices are one.
func same(a, b []any) bool { return len(a) == len(b) && &a[0] == &b[0] }

// Settle reads the answer, and how far the server's clock is ahead of this replica's.
func (c *call) Settle(t *pipeline.Trip, _ []redis.Cmder) (again bool) {
	answer, err := c.cmd.Result()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		c.whole = true
		return true
	}
	current := true
	if err == nil {
		current, err = c.read(answer)
	}
	if err != nil {
		c.Fail(err)
		return false
	}
	// This replica's clock showed the middle of the trip when the server's was read, or nearly so.
	c.redis.ahead.Store(int64(c.tally.now.Sub(c.asked.Add(t.Answered.Sub(t.Sent) / 2))))
	return !current
}

// Fail is the end of a charge that may have been counted or not.
func (c *call) Fail(err error) {
	c.redis.faults.Add(1)
	c.err = err
}

// read takes the script's answer; not current when the server's time is not the one that the command was for.
func (c *call) read(answer string) (current bool, err error) {
	var numbers [4 + endpoints]int64 // one more than there may be
	n := 0
	for text := range strings.SplitSeq(answer, " ") {
		if n == len(numbers) {
			break
		}
		if numbers[n], err = strconv.ParseInt(text, 10, 64); err != nil {
			return false, fmt.Errorf("the script answered %q", answer)
		}
		n++
	}
	switch {
	case n == 3 && numbers[0] == otherTime:
	case n != 3+len(c.tier.endpoints):
		return false, fmt.Errorf("the script answered %d numbers", n)
	default:
		current = true
	}
	c.tally = tally{charged: numbers[0] == charged, now: time.Unix(numbers[1], numbers[2]*int64(time.Microsecond))}
	for i, count := range numbers[3:n] {
		c.tally.counts[c.tier.endpoints[i]] = int(count)
	}
	return current, nil
}

// What the script answers first, beside 0 for refused.
const (
	charged   = 1
	otherTime = -1
)
