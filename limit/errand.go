package limit

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/pipeline"
)

// errand is what an account has to do in Redis for its lease: begin or renew it ([leaseScript]), or end it ([releaseScript]).
type errand struct {
	pipeline.Call
	run
	account *account
	id      string
	units   Units     // wanted; at the end, used
	sent    time.Time // the first attempt, by this replica's clock; zero: there was none
}

func newErrand(s *script, a *account, id string, units Units) *errand {
	c := &errand{account: a, id: id, units: units}
	c.run.reset(s)
	c.Reset(c, 1)
	return c
}

// send sends it, unless Redis is known to be away, and waits for nothing.
func (c *errand) send() {
	r := c.account.redis
	lane := r.lane(context.Background(), c.account.subject)
	if lane.Away() {
		c.Fail(pipeline.ErrAway)
		return
	}
	lane.Start(&c.Call)
}

// Prepare implements [pipeline.Job].
func (c *errand) Prepare(t *pipeline.Trip, cmds []redis.Cmder) []redis.Cmder {
	a := c.account
	r := a.redis
	r.sends(t, c.sent.IsZero())
	if c.sent.IsZero() {
		c.sent = r.opts.Now()
	}
	c.args = append(c.args[:0], nil, nil, len(a.tier.endpoints)+1)
	c.args = append(c.args, keyArgs(a.subject, a.tier, a.start)...)
	if c.script == leaseScript {
		c.args = append(c.args, r.policy.window, a.start, r.until(t, r.opts.Now()), c.id, (r.opts.Lease + r.overdue()).Microseconds(), leastLease)
	} else {
		c.args = append(c.args, c.id)
	}
	for _, e := range a.tier.endpoints {
		if c.script == leaseScript {
			c.args = append(c.args, a.tier.max[e])
		}
		c.args = append(c.args, c.units[e])
	}
	return append(cmds, c.command(t, r.lanes.Clustered()))
}

// Settle implements [pipeline.Job].
func (c *errand) Settle(*pipeline.Trip, []redis.Cmder) (again bool) {
	if c.lacking() {
		return true
	}
	c.done(c.read(c.account.tier))
	return false
}

// Fail implements [pipeline.Job].
func (c *errand) Fail(err error) { c.done(answer{}, err) }

func (c *errand) done(got answer, err error) {
	if c.script == leaseScript {
		c.account.renewed(c.sent, got, err)
	} else {
		c.account.ended(got, err)
	}
}
