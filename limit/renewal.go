package limit

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/pipeline"
)

// renewal is a lease's beginning or renewal on its way.
type renewal struct {
	pipeline.Call
	run
	account *account
	id      string
	want    Units
	sent    time.Time // the first attempt, by this replica's clock
}

func newRenewal(a *account, id string, want Units) *renewal {
	c := &renewal{account: a, id: id, want: want}
	c.run.reset(leaseScript)
	c.Reset(c, 1)
	return c
}

// send sends it, and waits for nothing.
func (c *renewal) send() {
	if !c.account.redis.launch(c.account, &c.Call) {
		c.Fail(pipeline.ErrAway)
	}
}

// Prepare implements [pipeline.Job].
func (c *renewal) Prepare(t *pipeline.Trip, cmds []redis.Cmder) []redis.Cmder {
	a := c.account
	r := a.redis
	r.sends(t, c.sent.IsZero())
	if c.sent.IsZero() {
		c.sent = r.opts.Now()
	}
	n := len(a.tier.endpoints)
	c.args = append(c.args[:0], nil, nil, n+1)
	c.args = append(c.args, keyArgs(a.subject, a.tier, a.start)...)
	c.args = append(c.args, r.policy.window, a.start, r.until(t, r.opts.Now()), c.id, (r.opts.Lease + r.overdue()).Microseconds(), leastLease)
	for _, e := range a.tier.endpoints {
		c.args = append(c.args, a.tier.max[e], c.want[e])
	}
	return append(cmds, c.command(t, r.lanes.Clustered()))
}

// Settle implements [pipeline.Job].
func (c *renewal) Settle(*pipeline.Trip, []redis.Cmder) (again bool) {
	if c.lacking() {
		return true
	}
	got, err := c.read(c.account.tier)
	c.account.renewed(c.sent, got, err)
	return false
}

// Fail implements [pipeline.Job].
func (c *renewal) Fail(err error) { c.account.renewed(c.sent, answer{}, err) }

// release is a lease's end on its way.
type release struct {
	pipeline.Call
	run
	account *account
	id      string
	used    Units
	sent    bool
}

func newRelease(a *account, id string, used Units) *release {
	c := &release{account: a, id: id, used: used}
	c.run.reset(releaseScript)
	c.Reset(c, 1)
	return c
}

// send sends it, and waits for nothing.
func (c *release) send() {
	if !c.account.redis.launch(c.account, &c.Call) {
		c.Fail(pipeline.ErrAway)
	}
}

// Prepare implements [pipeline.Job].
func (c *release) Prepare(t *pipeline.Trip, cmds []redis.Cmder) []redis.Cmder {
	a := c.account
	a.redis.sends(t, !c.sent)
	c.sent = true
	n := len(a.tier.endpoints)
	c.args = append(c.args[:0], nil, nil, n+1)
	c.args = append(c.args, keyArgs(a.subject, a.tier, a.start)...)
	c.args = append(c.args, c.id)
	for _, e := range a.tier.endpoints {
		c.args = append(c.args, c.used[e])
	}
	return append(cmds, c.command(t, a.redis.lanes.Clustered()))
}

// Settle implements [pipeline.Job].
func (c *release) Settle(*pipeline.Trip, []redis.Cmder) (again bool) {
	if c.lacking() {
		return true
	}
	got, err := c.read(c.account.tier)
	c.account.ended(got, err)
	return false
}

// Fail implements [pipeline.Job].
func (c *release) Fail(err error) { c.account.ended(answer{}, err) }
