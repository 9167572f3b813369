package limit

import (
	"context"
	"sync"
	"time"
)

// account is what this replica knows of a subject's counters in one window, and what it has leased of them: units that
// Redis has counted already, in advance, and that operations are given here without asking it.
//
// A lease is taken when several charges of the subject are on their way at once, renewed while it is used, and ended when it
// is idle, or after [RedisOptions.Lease]; then what was not used of it is given back. It takes nothing from exactness: nobody is ever given a
// unit that Redis has not counted, and Redis refuses nobody while another replica may still give something back. It says
// "held" then, leases nothing more in this window, and is asked again until all is given back or overdue.
type account struct {
	redis   *Redis
	subject string
	tier    *tier
	start   int64 // of the window, in Unix s
	args    []any // of a charge

	mu     sync.Mutex
	onWay  int       // charges
	counts Units     // in Redis, with all that is leased, at its latest answer
	looked time.Time // when that was, by the server's clock
	spent  Units     // asked for since then, by so many operations
	asks   int
	since  time.Time
	never  bool // Redis leases nothing more in this window
	lease  lease
	timer  *time.Timer // for what is to be done with the lease next; nil: there has been none
}

// lease is an account's. The zero lease is none.
type lease struct {
	id      string
	until   time.Time // from then on it is not used, by this replica's clock
	granted Units     // in all
	used    Units
	fresh   Units         // what was left after the last renewal
	seen    Units         // what was used when it was looked at
	ending  bool          // it is not used any more
	flight  chan struct{} // closed when the renewal or the end that is on its way is answered; nil: none is
}

const (
	// crowd is how many charges of a subject on their way at once make it worth a lease.
	crowd = 4
	// leastLease is the fewest units of an endpoint that are worth one.
	leastLease = 16
	// overdueAfter is how much longer than itself a lease is waited for by those who are held, at least.
	overdueAfter = time.Second
	// idle is how long a lease goes unused before it is ended.
	idle = 10 * time.Millisecond
	// retryEnd is when what could not be given back is tried again.
	retryEnd = 200 * time.Millisecond
)

func newAccount(r *Redis, subject string, t *tier, start int64) *account {
	return &account{redis: r, subject: subject, tier: t, start: start, args: chargeArgs(r, subject, t, start), never: r.opts.Lease == 0}
}

// left is what there is of the lease.
func (l *lease) left() (left Units) {
	if l.ending {
		return left
	}
	for e := range left {
		left[e] = l.granted[e] - l.used[e]
	}
	return left
}

// take gives the operation its units from the lease, all or none. If not, its charge counts as on its way. The renewal is to
// be sent, unless it is nil.
func (a *account) take(now time.Time, units Units) (counted tally, ok bool, renew *errand) {
	a.mu.Lock()
	defer a.mu.Unlock()
	add(&a.spent, units)
	a.asks++
	l := &a.lease
	left := l.left()
	if l.granted == (Units{}) || !now.Before(l.until) || !within(units, left) {
		if a.onWay++; a.onWay >= crowd {
			renew = a.renewal(now)
		}
		return tally{}, false, renew
	}
	add(&l.used, units)
	low := l.until.Sub(now) < a.redis.opts.Lease/2
	for e, n := range units {
		left[e] -= n
		low = low || n > 0 && left[e] < l.fresh[e]/2
	}
	if low && a.asks >= crowd {
		renew = a.renewal(now)
	}
	return tally{counts: less(a.counts, left), charged: true, now: a.redis.serverTime(now)}, true, renew
}

// settled waits until Redis has answered what was on its way for the lease: only then is it known what an answer that came
// meanwhile has counted for whom.
func (a *account) settled(ctx context.Context) {
	a.mu.Lock()
	flight := a.lease.flight
	a.mu.Unlock()
	if flight == nil {
		return
	}
	select {
	case <-flight:
	case <-ctx.Done():
	}
}

// back is the end of a charge, whose answer it makes a tally.
func (a *account) back(got answer, err error) tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onWay--
	counts := got.counts
	if err == nil && a.redis.policy.start(got.now) == a.start {
		a.see(got)
		counts = less(a.counts, a.lease.left())
	}
	return tally{counts: counts, charged: got.outcome == done, now: got.now}
}

// see notes what Redis has counted, unless a later answer, which has overtaken this one, says it better.
func (a *account) see(got answer) {
	if late := a.looked.Sub(got.now); late > 0 && late < time.Second { // more, and the server's clock was set back
		return
	}
	a.counts, a.looked = got.counts, got.now
}

// renewal begins a lease or renews it, with what was asked for lately as the measure. It is nil when there is nothing to send.
// The caller has the mutex.
func (a *account) renewal(now time.Time) *errand {
	l, lasts := &a.lease, a.redis.opts.Lease
	if a.never || l.flight != nil || l.ending {
		return nil
	}
	want, left := Units{}, l.left()
	took := max(now.Sub(a.since), time.Millisecond)
	for e, n := range a.spent {
		if n == 0 {
			continue
		}
		// As much as goes in twice its time: so it lasts, and is renewed when half of it is gone.
		lately := int(min(int64(n)*2*int64(lasts)/int64(took), maxMax))
		want[e] = max(lately-left[e], leastLease)
	}
	if want == (Units{}) {
		return nil
	}
	a.spent, a.asks, a.since = Units{}, 0, now
	if l.id == "" {
		*l = lease{id: a.redis.newLeaseID()}
	}
	l.flight = make(chan struct{})
	return newErrand(leaseScript, a, l.id, want)
}

// renewed is what came of a renewal that left at the time given.
func (a *account) renewed(sent time.Time, got answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &a.lease
	close(l.flight)
	l.flight = nil
	switch {
	case err != nil && !sent.IsZero(): // Redis may have counted it or not
		l.ending = true
	case got.outcome == done:
		a.see(got)
		add(&l.granted, got.grants)
		l.until, l.fresh = sent.Add(a.redis.opts.Lease), l.left()
	default:
		a.never = a.never || err == nil && got.outcome == refused
		if l.granted == (Units{}) {
			*l = lease{}
			return
		}
	}
	a.wake(a.next())
}

// end has the lease given back now.
func (a *account) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lease.id != "" {
		a.lease.ending = true
		a.wake(0)
	}
}

// leases tells whether there is a lease still.
func (a *account) leases() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lease.id != ""
}

// next is how long the lease need not be looked at.
func (a *account) next() time.Duration {
	if a.lease.ending {
		return 0
	}
	return min(max(a.lease.until.Sub(a.redis.opts.Now()), 0), idle)
}

// wake has the account look after its lease after the time given.
func (a *account) wake(after time.Duration) {
	if a.timer == nil {
		a.timer = time.AfterFunc(after, a.look)
		return
	}
	a.timer.Reset(after)
}

// look ends the lease when it is time.
func (a *account) look() {
	a.mu.Lock()
	l, now := &a.lease, a.redis.opts.Now()
	switch {
	case l.id == "" || l.flight != nil: // whoever is on the way comes here next
		a.mu.Unlock()
		return
	case a.redis.start(now) != a.start: // it has ended with its window
		*l = lease{}
		a.mu.Unlock()
		return
	case !l.ending && now.Before(l.until) && l.used != l.seen:
		l.seen = l.used
		a.wake(a.next())
		a.mu.Unlock()
		return
	}
	l.ending, l.flight = true, make(chan struct{})
	end := newErrand(releaseScript, a, l.id, l.used)
	a.mu.Unlock()
	end.send()
}

// ended is what came of giving a lease back.
func (a *account) ended(got answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &a.lease
	close(l.flight)
	l.flight = nil
	if err != nil {
		a.wake(retryEnd)
		return
	}
	a.see(got)
	*l = lease{}
}

func add(to *Units, units Units) {
	for e, n := range units {
		to[e] += n
	}
}

func less(a, b Units) Units {
	for e := range a {
		a[e] -= b[e]
	}
	return a
}

// within tells whether there is as much as is asked for.
func within(units, left Units) bool {
	for e, n := range units {
		if n > left[e] {
			return false
		}
	}
	return true
}
