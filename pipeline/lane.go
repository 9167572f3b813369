package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/redis/go-redis/v9"
)

// Lane is a way to Redis; see the package.
type Lane struct {
	lanes   *Lanes
	breaker circuitbreaker.CircuitBreaker[any]
	away    atomic.Bool // the breaker is not closed

	mu       sync.Mutex
	waiting  []*Call
	weight   int // of those that wait
	parked   []*Call
	underWay int
	started  time.Time // when the last pipeline left
	failed   time.Time // when the last failure that counts was seen
}

const (
	// attempts for one call: a script may be lacking at the first, and its answer be no good at the second.
	attempts = 3
	// maxWeight bounds a pipeline of several calls, and what counts as a large call.
	maxWeight = 512
	// maxParked bounds the calls that wait for somebody to ride with. Beyond that the oldest is sent when it is waited for.
	maxParked = 64
	// maxUnderWay bounds the pipelines under way side by side, and slow is when the next is not waited for any more.
	maxUnderWay = 3
	slow        = time.Millisecond
)

// Errors that a [Job] is failed with.
var (
	ErrAway     = errors.New("redis is known to be away")
	ErrLate     = errors.New("redis is too slow: others were waited for too long")
	ErrAttempts = errors.New("redis asked for another attempt each time")
)

// Away tells whether the server is known to be away. Who wants something of it nevertheless needs a permit.
func (l *Lane) Away() bool { return l.away.Load() }

// Permit tells, of a server that is away, whether it is time to try; then the caller must send a call that is a Probe.
func (l *Lane) Permit() bool { return l.breaker.TryAcquirePermit() }

// Do sends the call, unless it is on its way already, and waits until its job is settled or has failed. When the context
// ends earlier it gives the context's error: then the job goes on or not, and the call belongs to the lane for good.
//
// Who comes first does the sending. A caller whose deadline is earlier than the call's must be free to leave and has another
// goroutine do it. One who is merely interrupted meanwhile leaves when the answer is there, at the latest after the timeout.
func (l *Lane) Do(ctx context.Context, c *Call) error {
	deadline, ok := ctx.Deadline()
	l.submit(c, !ok || time.Until(deadline) > l.lanes.timeout)
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		c.left.Store(true)
		return ctx.Err()
	}
}

// Start sends the call, unless it is on its way already, and waits for nothing.
func (l *Lane) Start(c *Call) { l.submit(c, false) }

// Park has the call ride with the next one that is sent before the context ends. Do and Start send it otherwise.
func (l *Lane) Park(ctx context.Context, c *Call) {
	if c.weight > maxWeight {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.parked) == maxParked {
		copy(l.parked, l.parked[1:])
		l.parked = l.parked[:maxParked-1]
	}
	c.parker = ctx
	l.parked = append(l.parked, c)
}

// Sent tells whether the call is on its way or has come back.
func (l *Lane) Sent(c *Call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.queued
}

// submit sends the call, or has it wait for its turn; with lead, the caller's goroutine sends what is to be sent now.
func (l *Lane) submit(c *Call, lead bool) {
	now := time.Now()
	l.mu.Lock()
	if c.queued {
		l.mu.Unlock()
		return
	}
	if c.weight > maxWeight {
		c.queued, c.since = true, now
		l.mu.Unlock()
		if lead {
			l.send([]*Call{c})
		} else {
			go l.send([]*Call{c})
		}
		return
	}
	l.enqueue(c, now)
	for i, p := range l.parked {
		if !p.queued && p.parker.Err() == nil {
			l.enqueue(p, now)
		}
		l.parked[i] = nil
	}
	l.parked = l.parked[:0]
	if l.underWay > 0 && (l.underWay == maxUnderWay || l.weight <= maxWeight && now.Sub(l.started) < slow) {
		l.mu.Unlock()
		return
	}
	l.underWay++
	batch := l.take(nil, now)
	l.mu.Unlock()
	if !lead {
		go l.run(batch)
		return
	}
	l.send(batch)
	if batch = l.next(batch); len(batch) > 0 {
		go l.run(batch)
	}
}

func (l *Lane) enqueue(c *Call, now time.Time) {
	c.queued, c.since, c.parker = true, now, nil
	l.waiting, l.weight = append(l.waiting, c), l.weight+c.weight
}

// run sends batch after batch until nothing waits.
func (l *Lane) run(batch []*Call) {
	for len(batch) > 0 {
		l.send(batch)
		batch = l.next(batch)
	}
}

// next takes what goes out after a pipeline is back. With nothing, that pipeline has no successor.
func (l *Lane) next(last []*Call) []*Call {
	clear(last)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.underWay--
		return nil
	}
	return l.take(last[:0], time.Now())
}

// take moves what waits to a batch: in the order in which it came, as much as goes into one pipeline.
func (l *Lane) take(batch []*Call, now time.Time) []*Call {
	weight, n := 0, 0
	for n < len(l.waiting) && (n == 0 || weight+l.waiting[n].weight <= maxWeight) {
		weight += l.waiting[n].weight
		n++
	}
	batch = append(batch, l.waiting[:n]...)
	rest := copy(l.waiting, l.waiting[n:])
	clear(l.waiting[rest:])
	l.waiting, l.weight, l.started = l.waiting[:rest], l.weight-weight, now
	return batch
}

// send settles all calls of a batch, and tells the breaker whether the server answered.
func (l *Lane) send(batch []*Call) {
	now := time.Now()
	t := Trip{Until: now.Add(l.lanes.timeout)}
	going := batch[:0]
	for _, c := range batch {
		switch until := c.since.Add(l.lanes.timeout); {
		case c.probe:
			going = append(going, c)
		case c.left.Load():
		case until.Sub(now) < l.lanes.timeout/4: // it would take the pipeline's time from the others
			c.fail(ErrLate)
		default:
			going = append(going, c)
			if until.Before(t.Until) {
				t.Until = until
			}
		}
	}
	if len(going) == 0 {
		return
	}
	answered := l.exchange(&t, slices.Clone(going))
	for _, c := range l.judge(answered, now, t.Until) {
		c.fail(ErrAway)
	}
	for _, c := range going {
		c.done <- struct{}{} // nobody may touch it after this
	}
}

// exchange goes to the server and back with the calls, again for those that want it, and tells whether the server answered.
func (l *Lane) exchange(t *Trip, pending []*Call) (answered bool) {
	ctx, cancel := context.WithDeadline(context.Background(), t.Until)
	defer cancel()
	var cmds []redis.Cmder
	for range attempts {
		t.Sent, t.marks, cmds = time.Now(), t.marks[:0], cmds[:0]
		for _, c := range pending {
			cmds = c.job.Prepare(t, cmds)
			c.end = len(cmds)
		}
		pipe := l.lanes.client.Pipeline()
		_ = pipe.BatchProcess(ctx, cmds...) // queues
		_, _ = pipe.Exec(ctx)               // gives the error of the first command that failed; each has its own
		t.Answered = time.Now()
		for i := 0; i < len(cmds) && !answered; i++ {
			answered = isAnswer(cmds[i].Err())
		}
		again, begin := pending[:0], 0
		for _, c := range pending {
			if c.job.Settle(t, cmds[begin:c.end]) {
				again = append(again, c)
			}
			begin = c.end
		}
		if pending = again; len(pending) == 0 {
			return answered
		}
	}
	for _, c := range pending {
		c.job.Fail(ErrAttempts)
	}
	return answered
}

// judge tells the breaker what came of a pipeline that left at the time given, and gives those who must not wait any longer:
// behind a server that is away or has let the whole time pass.
func (l *Lane) judge(answered bool, left, until time.Time) (late []*Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answered {
		if l.away.Load() || !l.failed.IsZero() {
			l.breaker.RecordSuccess()
			l.failed = time.Time{}
		}
	} else {
		// A probe's permit must be given back, whatever came of it.
		if !left.Before(l.failed) || l.breaker.IsHalfOpen() {
			l.breaker.RecordFailure()
			l.failed = time.Now()
		}
	}
	l.away.Store(!l.breaker.IsClosed())
	if !answered && (l.away.Load() || !time.Now().Before(until)) {
		late = l.waiting
		l.waiting, l.weight = nil, 0
	}
	return late
}

// isAnswer tells whether a command's error, or nil, is a server's answer. One that says that it can answer nothing is none.
func isAnswer(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply) && !redis.IsLoadingError(err) && !redis.IsAuthError(err) &&
		!redis.IsClusterDownError(err) && !redis.IsMasterDownError(err) && !redis.IsMaxClientsError(err)
}
