package limit

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/pipeline"
)

// call is a charge on its way. It is used again when its caller has waited for the answer, with all that it has allocated.
type call struct {
	pipeline.Call
	run
	redis *Redis

	account *account // of the window that it was for at first
	units   Units

	asked time.Time // when the last attempt left, by this replica's clock
	until int64     // the time after which nobody waits, in µs, by the server's clock

	answer answer
	err    error
}

func (r *Redis) newCall(a *account, units Units) *call {
	c, ok := r.spare.Get().(*call)
	if !ok {
		c = &call{redis: r}
	}
	c.account, c.units, c.asked = a, units, time.Time{}
	c.answer, c.err = answer{}, nil
	c.run.reset(chargeScript)
	c.Reset(c, 1)
	return c
}

// Prepare appends the script's call.
func (c *call) Prepare(t *pipeline.Trip, cmds []redis.Cmder) []redis.Cmder {
	r := c.redis
	r.sends(t, c.asked.IsZero())
	c.asked = r.opts.Now()
	c.until = r.until(t, c.asked)
	c.args = append(c.args[:0], c.account.in(r.start(c.asked)).args...)
	n := len(c.account.tier.endpoints)
	c.args[untilArg(n)] = &c.until
	for i, e := range c.account.tier.endpoints {
		if c.units[e] > 0 {
			c.args[unitsArg(n, i)] = c.units[e]
		}
	}
	return append(cmds, c.command(t, r.lanes.Clustered()))
}

// Settle reads the answer, and how far the server's clock is ahead of this replica's.
func (c *call) Settle(t *pipeline.Trip, _ []redis.Cmder) (again bool) {
	if c.lacking() {
		return true
	}
	answer, err := c.read(c.account.tier)
	if err != nil {
		c.Fail(err)
		return false
	}
	c.answer = answer
	// This replica's clock showed the middle of the trip when the server's was read, or nearly so.
	c.redis.ahead.Store(int64(answer.now.Sub(c.asked.Add(t.Answered.Sub(t.Sent) / 2))))
	return answer.outcome == otherTime
}

// Fail is the end of a charge that may have been counted or not.
func (c *call) Fail(err error) {
	c.redis.faults.Add(1)
	c.err = err
}
