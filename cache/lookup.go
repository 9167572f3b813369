package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/pipeline"
	"github.com/coingraph/coingraph/telemetry"
)

// part is what of a call goes to one server: commands that are sent once.
type part struct {
	pipeline.Call
	lane *pipeline.Lane
	cmds []redis.Cmder
}

// Prepare implements [pipeline.Job].
func (p *part) Prepare(_ *pipeline.Trip, cmds []redis.Cmder) []redis.Cmder {
	return append(cmds, p.cmds...)
}

// Settle implements [pipeline.Job]: each command keeps its own answer.
func (p *part) Settle(*pipeline.Trip, []redis.Cmder) (again bool) { return false }

// Fail implements [pipeline.Job]: there are no answers.
func (p *part) Fail(err error) {
	for _, cmd := range p.cmds {
		cmd.SetErr(err)
	}
}

// fault is the first among the commands.
func (p *part) fault() error {
	for _, cmd := range p.cmds {
		if err := failed(cmd.Err()); err != nil {
			return err
		}
	}
	return nil
}

// split gives each server its part of the commands, which belong to the keys and send so many bytes of values.
func (r *Redis) split(ctx context.Context, keys []string, cmds []redis.Cmder, bytes int) (parts []*part) {
	if !r.lanes.Clustered() {
		p := &part{lane: r.lanes.For(ctx, ""), cmds: cmds}
		p.Reset(p, len(cmds)+bytes/pipeline.WeightBytes)
		return []*part{p}
	}
	of := make(map[*pipeline.Lane]*part)
	for i, key := range keys {
		lane := r.lanes.For(ctx, key)
		p := of[lane]
		if p == nil {
			p = &part{lane: lane}
			of[lane], parts = p, append(parts, p)
		}
		p.cmds = append(p.cmds, cmds[i])
	}
	for _, p := range parts {
		p.Reset(p, len(p.cmds)+bytes/len(cmds)*len(p.cmds)/pipeline.WeightBytes)
	}
	return parts
}

// errUnsent is of calls that have not been made.
var errUnsent = errors.New("nothing was sent")

// await sends what has not been sent, except to servers that are known to be away, waits for all answers and notes faults.
// The commands may be read when it gives no error. It gives errUnsent, or that of the context: then they are on their way.
func (r *Redis) await(ctx context.Context, parts []*part) error {
	_, span := telemetry.StartSpan(ctx, "redis", "db.system.name", "redis", "db.operation.name", "pipeline")
	var fault error
	defer func() { span.End(fault) }()
	sent := make([]*part, 0, 1)
	for _, p := range parts {
		switch {
		case !p.lane.Away() || p.lane.Sent(&p.Call):
		case p.lane.Permit():
			p.Probe()
		default:
			p.Fail(pipeline.ErrAway)
			continue
		}
		sent = append(sent, p)
		if len(parts) > 1 {
			p.lane.Start(&p.Call)
		}
	}
	if len(sent) < len(parts) {
		r.tally.skipped.Add(1)
	}
	if len(sent) == 0 {
		return errUnsent
	}
	for _, p := range sent {
		if err := p.lane.Do(ctx, &p.Call); err != nil {
			return err // that there is no answer yet says nothing of Redis
		}
		if fault == nil {
			fault = p.fault()
		}
	}
	if fault != nil {
		r.faults.note(ctx, fault)
	}
	return nil
}

// do sends the commands, which belong to the keys and send so many bytes of values, and waits for their answers, as await does.
func (r *Redis) do(ctx context.Context, keys []string, cmds []redis.Cmder, bytes int) error {
	if len(cmds) == 0 || over(ctx) {
		return errUnsent
	}
	return r.await(ctx, r.split(ctx, keys, cmds, bytes))
}

// lookup is a look-up on its way. One server is asked for all keys by one MGET; over several slots that fails on a Cluster, where
// each key has a GET of its own. It is used again when it was waited for, with all that it has allocated.
type lookup struct {
	redis *Redis
	keys  []string
	own   part
	parts []*part

	names []string       // the keys of an MGET: what its arguments point to
	args  []any          // its arguments
	mget  [1]redis.Cmder // the command
	got   replies        // its answer
	gets  []redis.Cmder
}

// maxSpare bounds the keys of a look-up that is kept for the next one.
const maxSpare = 256

// lookup prepares a look-up, and sends nothing yet.
func (r *Redis) lookup(ctx context.Context, keys []string) *lookup {
	l, ok := r.spare.Get().(*lookup)
	if !ok {
		l = &lookup{redis: r}
	}
	l.keys, l.parts = keys, l.parts[:0]
	switch {
	case len(keys) == 0 || over(ctx):
	case r.lanes.Clustered():
		l.gets = make([]redis.Cmder, len(keys))
		for i, key := range keys {
			l.gets[i] = redis.NewStringCmd(context.Background(), "get", key)
		}
		l.parts = r.split(ctx, keys, l.gets, 0)
	default:
		if len(l.names) < len(keys) {
			l.names, l.args = make([]string, len(keys)), make([]any, 1+len(keys))
			l.args[0] = "mget"
			for i := range l.names {
				l.args[1+i] = &l.names[i]
			}
		}
		copy(l.names, keys)
		l.got.reset(len(keys))
		l.mget[0] = redis.NewRawWriteToCmd(context.Background(), &l.got, l.args[:1+len(keys)]...)
		l.own.lane, l.own.cmds = r.lanes.For(ctx, ""), l.mget[:]
		l.own.Reset(&l.own, len(keys))
		l.parts = append(l.parts, &l.own)
	}
	return l
}

// park has the look-up ride with what is sent next.
func (l *lookup) park(ctx context.Context) {
	for _, p := range l.parts {
		if !p.lane.Away() {
			p.lane.Park(ctx, &p.Call)
		}
	}
}

// finish waits for the answers, and calls found with the index of each key that Redis has, its value, and what is left of
// its time to live. The look-up must not be used any more.
func (l *lookup) finish(ctx context.Context, found func(i int, value []byte, left time.Duration)) {
	r, hits := l.redis, 0
	n := len(l.keys)
	if len(l.parts) > 0 && !over(ctx) && r.await(ctx, l.parts) == nil {
		hits = l.read(ctx, found)
		l.recycle()
	}
	r.tally.hits.Add(uint64(hits))
	r.tally.misses.Add(uint64(n - hits))
}

// recycle keeps a look-up for the next one when the lane is done with it.
func (l *lookup) recycle() {
	if len(l.keys) > maxSpare || l.gets != nil {
		return
	}
	clear(l.names[:len(l.keys)])
	l.got.reset(len(l.keys))
	l.keys, l.mget[0] = nil, nil
	l.redis.spare.Put(l)
}

func (l *lookup) read(ctx context.Context, found func(i int, value []byte, left time.Duration)) (hits int) {
	now := time.Now()
	for i, key := range l.keys {
		sealed := l.sealed(i)
		if sealed == nil {
			continue
		}
		value, expires, ok := unseal(sealed)
		if !ok {
			l.redis.faults.note(ctx, fmt.Errorf("the value of key %q is not one that a cache wrote", key))
			continue
		}
		if left := expires.Sub(now); left > 0 {
			hits++
			found(i, value, left)
		}
	}
	return hits
}

// sealed is what the server has of a key; nil: nothing.
func (l *lookup) sealed(i int) []byte {
	if l.gets == nil {
		return l.got.values[i]
	}
	// A command may hold both a value and an error: a Cluster client that runs out of time while it retries one node marks all
	// commands as failed, those too that the other nodes have answered. The envelope tells.
	value, err := l.gets[i].(*redis.StringCmd).Bytes()
	if len(value) == 0 && err != nil {
		return nil
	}
	return value
}

// over tells whether the context has ended. It looks at the deadline too, which may be noticed a moment before.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}
