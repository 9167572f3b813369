package quota

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	sorting "slices"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
)

const (
	// hearsay is how long a refusal is passed on without asking the store again.
	hearsay = time.Second
	// away is how long a store that did not answer is left alone.
	away = time.Second
	// localPart is the part of each limit that a replica may spend on its own: one in so many calls.
	localPart = 10
	// maxDebts bounds what is remembered of calls that the store was not told of.
	maxDebts = 100_000
)

// ErrRefused is in the cause of each fault of [Quota.Acquire] that says that no call may be made now.
var ErrRefused = errors.New("no call may be made")

// Options are what a Quota needs beside its pool.
type Options struct {
	Keeper Keeper // nil: in this process
	// History is what was spent of the provider since an instant, as the bill has it: for counts that the keeper has lost.
	// Nil: nothing.
	History func(ctx context.Context, provider string, since time.Time) ([]Spent, error)
	Timeout time.Duration    // for one visit to the keeper; default 5 s
	Now     func() time.Time // this replica's clock; nil: the real one
	Log     *slog.Logger     // nil: none
}

// Quota is one provider's pool on a keeper, and the replica's own budget while that is away. Its methods are safe for
// concurrent use.
type Quota struct {
	pool Pool
	opts Options

	mu        sync.Mutex
	refusals  [lanes]hearsaid
	dirty     bool      // failures are counted, as far as is known
	awayUntil time.Time // the keeper is not asked before
	isAway    bool
	last      *Status  // the keeper's last answer
	local     *Memory  // the replica's own budget, while the keeper is away
	debts     []Spent  // what was spent of it
	untold    []untold // pauses that the keeper was not told of
}

type hearsaid struct {
	refusal *Refusal
	until   time.Time // when a call may be made
	good    time.Time // when the store is asked again
}

type untold struct {
	report Report
	until  time.Time
}

// New makes a Quota.
func New(p Pool, o Options) *Quota {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keeper == nil {
		o.Keeper = NewMemory(o.Now)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Quota{pool: p, opts: o}
}

// Pool is the provider's pool.
func (q *Quota) Pool() Pool { return q.pool }

// Acquire counts one call and allows it, or says why none may be made: with the fault that shut the gate, or
// fault.QuotaExhausted; RetryAfter is when one may be, if nobody else makes it. It does not wait for that.
func (q *Quota) Acquire(ctx context.Context, lane Lane) (Grant, error) {
	if f := q.heard(lane); f != nil {
		return Grant{}, f
	}
	a, err := q.ask(ctx, Request{Take: true, Lane: lane})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return Grant{}, ctx.Err()
	default:
		a = q.onMyOwn(Request{Take: true, Lane: lane})
		a.Grant.local = true
		if a.Refusal == nil {
			q.owe(a.Grant)
		}
	}
	if a.Refusal != nil {
		return Grant{}, q.hear(lane, a.Refusal)
	}
	return a.Grant, nil
}

// Report tells what became of a call: the fault that it ended with, nil if it ended well. A caller that went away while
// it was made says nothing of the vendor, and reports nothing.
func (q *Quota) Report(ctx context.Context, g Grant, f *fault.Error) Change {
	r := ReportOf(g, f)
	q.mu.Lock()
	news := r.end != answered || !g.clean || q.dirty
	q.mu.Unlock()
	if !news {
		return Unchanged
	}
	var change Change
	if a, err := q.tell(context.WithoutCancel(ctx), r); err == nil {
		change = a.Change
	} else {
		change = q.onMyOwn(Request{Report: &r}).Change
		if r.end == limited {
			q.mu.Lock()
			q.untold = append(q.untold, untold{r, q.opts.Now().Add(cmp.Or(r.wait, q.pool.Probe))})
			q.mu.Unlock()
		}
	}
	q.mu.Lock()
	q.refusals = [lanes]hearsaid{}
	q.mu.Unlock()
	return change
}

// tell reports to the keeper. Of a call out of the replica's own budget only a pause says something to all.
func (q *Quota) tell(ctx context.Context, r Report) (Answer, error) {
	if !r.Grant.local || r.end == limited {
		return q.ask(ctx, Request{Report: &r})
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.local == nil {
		return Answer{}, nil // the keeper is back, and knows nothing of the gates of those days
	}
	return Answer{}, errAway
}

// Status is where the provider stands for all replicas together. It fails with fault.StoreUnavailable.
func (q *Quota) Status(ctx context.Context) (Status, error) {
	a, err := q.ask(ctx, Request{})
	if err != nil {
		return Status{}, fault.Wrap(fault.StoreUnavailable, err)
	}
	return a.Status, nil
}

// heard is the refusal that is still true, as far as is known here.
func (q *Quota) heard(lane Lane) *fault.Error {
	now := q.opts.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.refusals[lane]
	if h.refusal == nil || !now.Before(h.good) {
		return nil
	}
	return q.fault(h.refusal.Kind, h.until.Sub(now))
}

func (q *Quota) hear(lane Lane, r *Refusal) *fault.Error {
	now := q.opts.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refusals[lane] = hearsaid{r, now.Add(r.Wait), now.Add(min(r.Wait, hearsay))}
	return q.fault(r.Kind, r.Wait)
}

func (q *Quota) fault(kind fault.Kind, wait time.Duration) *fault.Error {
	return &fault.Error{Kind: kind, RetryAfter: wait, Cause: fmt.Errorf("%w to %s now: %s", ErrRefused, q.pool.Provider, kind)}
}

var errAway = errors.New("the store of quotas is known to be away")

// ask asks the keeper, with what it was not told of and with a seed when it has lost its counts.
func (q *Quota) ask(ctx context.Context, r Request) (Answer, error) {
	q.mu.Lock()
	if q.opts.Now().Before(q.awayUntil) {
		q.mu.Unlock()
		return Answer{}, errAway
	}
	debts, pauses := q.debts, q.untold
	q.debts, q.untold = nil, nil
	q.mu.Unlock()

	var err error
	for _, u := range pauses {
		if u.report.wait = u.until.Sub(q.opts.Now()); err == nil && u.report.wait > 0 {
			_, err = q.visit(ctx, Request{Report: &u.report}, &debts)
		}
	}
	var a Answer
	if err == nil {
		a, err = q.visit(ctx, r, &debts)
	}

	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.debts, q.untold = append(debts, q.debts...), append(pauses, q.untold...)
		if ctx.Err() == nil {
			q.miss(ctx, err)
		}
		return Answer{}, err
	}
	q.local = nil
	if q.isAway {
		q.isAway = false
		q.opts.Log.InfoContext(ctx, "quotas are shared again", "event", "quota.shared", "provider", q.pool.Provider)
	}
	q.last, q.dirty = &a.Status, a.Status.Failures > 0
	return a, nil
}

// miss notes that the keeper is away.
func (q *Quota) miss(ctx context.Context, err error) {
	q.awayUntil = q.opts.Now().Add(away)
	if !q.isAway {
		q.isAway = true
		q.opts.Log.WarnContext(ctx, "the quota is this replica's own", "event", "quota.local", "provider", q.pool.Provider,
			"part", fmt.Sprintf("1/%d", localPart), "error", err)
	}
}

// visit asks once, and once more with a seed when the counts are lost. What the keeper was told of is owed no more.
func (q *Quota) visit(ctx context.Context, r Request, debts *[]Spent) (Answer, error) {
	do := func() (Answer, error) {
		within, cancel := context.WithTimeout(ctx, q.opts.Timeout)
		defer cancel()
		return q.opts.Keeper.Do(within, &q.pool, r)
	}
	r.Debts = *debts
	a, err := do()
	if err == nil && a.Lost {
		r.Debts, r.Seeded = nil, true // the debts are in the bill, too
		if r.Seed, err = q.history(ctx); err == nil {
			a, err = do()
		}
	}
	if err == nil {
		*debts = nil
	}
	return a, err
}

// history is the seed: what was spent in the longest window.
func (q *Quota) history(ctx context.Context) ([]Spent, error) {
	if q.opts.History == nil {
		return nil, nil
	}
	longest := time.Duration(0)
	for _, r := range q.pool.Rates {
		longest = max(longest, r.Per)
	}
	ctx, cancel := context.WithTimeout(ctx, q.opts.Timeout)
	defer cancel()
	now := q.opts.Now()
	seed, err := q.opts.History(ctx, q.pool.Provider, now.Add(-longest))
	if err != nil {
		return nil, fmt.Errorf("quota: counts of %s are lost, and the bill cannot be read: %w", q.pool.Provider, err)
	}
	q.opts.Log.InfoContext(ctx, "the counts of a quota are rebuilt from the bill", "event", "quota.seed", "provider", q.pool.Provider, "lines", len(seed))
	return seed, nil
}

// onMyOwn asks the replica's own budget.
func (q *Quota) onMyOwn(r Request) Answer {
	q.mu.Lock()
	defer q.mu.Unlock()
	own := q.pool
	own.Rates = make([]Rate, len(q.pool.Rates))
	for i, rate := range q.pool.Rates {
		own.Rates[i] = Rate{max(1, rate.Max/localPart), rate.Per}
	}
	if q.local == nil {
		q.local = NewMemory(q.opts.Now)
		_, _ = q.local.Do(context.Background(), &own, Request{Seeded: true, Seed: q.asLeft(own)})
		for i, k := range q.lastKeys() {
			if wait := k.Gate.Until.Sub(q.opts.Now()); k.Gate.Why == fault.UpstreamRateLimited && wait > 0 {
				_, _ = q.local.Do(context.Background(), &own, Request{Report: &Report{Grant: Grant{Key: i}, end: limited, why: k.Gate.Why, wait: wait}})
			}
		}
	}
	a, _ := q.local.Do(context.Background(), &own, r)
	return a
}

func (q *Quota) lastKeys() []KeyStatus {
	if q.last == nil {
		return nil
	}
	return q.last.Keys
}

// asLeft is what has to be spent of the own budget already, so that no more is left of it than of the whole quota. What
// fills a long window lies before the shorter ones begin.
func (q *Quota) asLeft(own Pool) []Spent {
	var spent []Spent
	for _, k := range q.lastKeys() {
		order := make([]int, len(k.Windows))
		for i := range order {
			order[i] = i
		}
		sorting.SortFunc(order, func(i, j int) int { return cmp.Compare(k.Windows[i].Per, k.Windows[j].Per) })
		filled, at := 0, q.opts.Now()
		for _, i := range order {
			w := k.Windows[i]
			if excess := own.Rates[i].Max - max(0, w.Max-w.Used) - filled; excess > 0 {
				spent = append(spent, Spent{Key: k.ID, At: at, Calls: excess})
				filled += excess
			}
			at = q.opts.Now().Add(-w.Per - 2*time.Duration(w.bucket())*time.Millisecond)
		}
	}
	return spent
}

// owe remembers a call that the keeper does not know of.
func (q *Quota) owe(g Grant) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.debts) < maxDebts {
		q.debts = append(q.debts, Spent{Key: q.pool.Keys[g.Key], At: g.At, Calls: 1})
	}
}
