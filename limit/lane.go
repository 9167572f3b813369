package limit

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

// lane is a way to Redis on which one pipeline is under way at a time. Charges that come meanwhile wait and go together
// in the next one (group commit): alone, a charge waits for nobody; the more come at once, the fewer round trips and
// writes each costs. The client library's own autopipelining is experimental, and sends what may have counted again.
//
// A Redis that does not answer is left alone for a second at a time. Then the next charge has a probe sent, but does not wait for
// it either: so whoever comes while Redis is known to be away pays nothing.
//
//	closed ── 3 pipelines in a row without an answer ──▶ open ── 1 s later ──▶ half open: a probe is sent
//	   ▲                                                  ▲                      │            │
//	   │                                                  └── no answer to it ───┘            │
//	   └──────────────────────── the probe is answered ──────────────────────────────────────┘
type lane struct {
	redis   *Redis
	breaker circuitbreaker.CircuitBreaker[any]

	mu      sync.Mutex
	waiting []*call
	busy    bool // a goroutine runs
}

const (
	breakerFailures = 3
	breakerDelay    = time.Second
	// attempts for one charge: the first may lack the script, the second be for a time that is not the server's.
	attempts = 3
)

var (
	errAway = errors.New("redis is known to be away")
	errTime = errors.New("the server's clock was another one at each attempt")
)

// call is a charge on its way.
type call struct {
	subject string
	tier    *tier
	units   Units

	left atomic.Bool   // nobody waits any more
	done chan struct{} // closed when what follows is there

	tally tally
	err   error
}

func newLane(r *Redis) *lane {
	return &lane{redis: r, breaker: circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).
		WithSuccessThreshold(1).
		WithDelay(breakerDelay).
		OnClose(func(circuitbreaker.StateChangedEvent) {
			r.opts.Log.Info("redis answers again: limits are shared", "event", "limit.recovered")
		}).
		Build()}
}

// do sends the call and waits for its answer.
func (l *lane) do(ctx context.Context, c *call) error {
	if !l.breaker.IsClosed() {
		if l.breaker.TryAcquirePermit() {
			go l.probe(c)
		}
		return errAway
	}
	l.mu.Lock()
	l.waiting = append(l.waiting, c)
	if !l.busy {
		l.busy = true
		go l.run()
	}
	l.mu.Unlock()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		c.left.Store(true)
		return ctx.Err()
	}
}

// probe asks for the counters that a call is about. It charges nothing: the call is counted elsewhere, or refused there.
func (l *lane) probe(c *call) {
	l.send([]*call{{subject: c.subject, tier: c.tier}})
}

// run sends what waits until nothing does.
func (l *lane) run() {
	for {
		l.mu.Lock()
		batch := l.waiting
		l.waiting, l.busy = nil, len(batch) > 0
		l.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if !l.send(batch) {
			// Whoever came meanwhile has waited long enough.
			l.mu.Lock()
			late := l.waiting
			l.waiting = nil
			l.mu.Unlock()
			for _, c := range late {
				l.fail(c, errAway)
			}
			batch = append(batch, late...)
		}
		for _, c := range batch {
			close(c.done)
		}
	}
}

func (l *lane) fail(c *call, err error) {
	l.redis.faults.Add(1)
	c.err = err
}

// send settles all calls of a batch in one round trip, if the server has the script and the window is the one that was
// guessed. It tells whether the server answered.
func (l *lane) send(batch []*call) (answered bool) {
	pending := slices.DeleteFunc(slices.Clone(batch), func(c *call) bool { return c.left.Load() })
	if len(pending) == 0 {
		return true
	}
	r := l.redis
	r.operations.Add(uint64(len(pending)))
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.Timeout)
	defer cancel()
	until, whole := r.opts.Now().Add(r.opts.Timeout), false
	for range attempts {
		sent := r.opts.Now()
		pipe, cmds := r.client.Pipeline(), make([]once, len(pending))
		for i, c := range pending {
			cmds[i] = r.command(ctx, c, sent, until, whole && i == 0) // the others find the script that the first has brought
			_ = pipe.Process(ctx, cmds[i])                            // queues
		}
		r.roundTrips.Add(1)
		_, _ = pipe.Exec(ctx) // gives the error of the first command that failed; each has its own

		middle := sent.Add(r.opts.Now().Sub(sent) / 2)
		again := pending[:0]
		for i, c := range pending {
			err := cmds[i].Err()
			answered = answered || isAnswer(err)
			if redis.HasErrorPrefix(err, "NOSCRIPT") {
				whole = true
				again = append(again, c)
				continue
			}
			current := true
			if err == nil {
				current, err = l.settle(c, cmds[i], middle)
			}
			switch {
			case err != nil:
				l.fail(c, err)
			case !current:
				again = append(again, c)
			}
		}
		if pending = again; len(pending) == 0 {
			break
		}
	}
	for _, c := range pending {
		l.fail(c, errTime)
	}
	if answered {
		l.breaker.RecordSuccess()
	} else {
		l.breaker.RecordFailure()
	}
	return answered
}

// settle reads the answer to a call, and how far the server's clock is ahead of this replica's, which showed the time
// given when the server's was read, or nearly so.
func (l *lane) settle(c *call, cmd once, at time.Time) (current bool, err error) {
	answer, err := cmd.Slice()
	if err != nil {
		return false, err
	}
	current, err = c.read(answer)
	if err != nil {
		return false, err
	}
	l.redis.ahead.Store(int64(c.tally.now.Sub(at)))
	return current, nil
}

// isAnswer tells whether a command's error, or nil, is a server's answer. One that says that it can answer nothing is none.
func isAnswer(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply) && !redis.IsLoadingError(err) && !redis.IsAuthError(err) &&
		!redis.IsClusterDownError(err) && !redis.IsMasterDownError(err) && !redis.IsMaxClientsError(err)
}
