package quota

import (
	"maps"
	"math"
	sorting "slices"
	"time"

	"github.com/coingraph/coingraph/fault"
)

const (
	// maxFailures is how many failures in a row shut a provider. A chart's eight series that fail side by side are not
	// yet an outage.
	maxFailures = 10
	// recheck is how many Probes a refused key rests while others work.
	recheck = 60
)

// state is all that is kept of a provider: what [Memory] and [Database] work on, and what quota.lua does on hashes. All
// instants and durations are in ms.
type state struct {
	Gate gate                `json:"gate"`
	Keys map[string]*account `json:"keys"` // by id
}

// gate is a circuit breaker that opens for more than one reason.
type gate struct {
	Why      string `json:"why,omitempty"` // the name of the fault that shut it; "": open
	Since    int64  `json:"since,omitempty"`
	Until    int64  `json:"until,omitempty"` // when it lets the next call through, while it is shut
	Turn     int64  `json:"turn,omitempty"`  // changes when it shuts, and with each probe
	Failures int    `json:"failures,omitempty"`
}

// account is what is kept of a key.
type account struct {
	Gate    gate              `json:"gate"`
	Windows map[int64]buckets `json:"windows"` // by length; one that is not there is lost
}

// buckets are the calls in each bucket, by its beginning divided by its length.
type buckets map[int64]int

func (s *state) account(id string) *account {
	a := s.Keys[id]
	if a == nil {
		a = new(account)
		if s.Keys == nil {
			s.Keys = make(map[string]*account)
		}
		s.Keys[id] = a
	}
	return a
}

// do is [Keeper.Do] at an instant.
func (s *state) do(now time.Time, p *Pool, r Request) Answer {
	at := now.UnixMilli()
	if !s.ready(p, r) {
		return Answer{Lost: true}
	}
	for _, d := range r.Debts {
		for _, rate := range p.Rates {
			if w := s.account(d.Key).Windows[rate.Per.Milliseconds()]; w != nil {
				w[d.At.UnixMilli()/rate.bucket()] += d.Calls
			}
		}
	}
	for _, a := range s.Keys {
		a.slide(at)
	}
	var answer Answer
	switch {
	case r.Take:
		answer.Grant, answer.Refusal = s.take(at, p, r.Lane)
	case r.Report != nil:
		answer.Change = s.report(at, p, r.Report)
	}
	answer.Status = s.status(at, p)
	return answer
}

// ready tells whether all windows are known, if only now by the seed.
func (s *state) ready(p *Pool, r Request) bool {
	for _, id := range p.Keys {
		a := s.account(id)
		if a.Windows == nil {
			a.Windows = make(map[int64]buckets)
		}
		for _, rate := range p.Rates {
			per := rate.Per.Milliseconds()
			if a.Windows[per] != nil {
				continue
			}
			if !r.Seeded {
				return false
			}
			a.Windows[per] = make(buckets)
			for _, spent := range r.Seed {
				if spent.Key == id {
					a.Windows[per][spent.At.UnixMilli()/rate.bucket()] += spent.Calls
				}
			}
		}
	}
	return true
}

// slide forgets the buckets that have left their windows.
func (a *account) slide(now int64) {
	for per, w := range a.Windows {
		first := (now - per) / Rate{Per: time.Duration(per) * time.Millisecond}.bucket()
		maps.DeleteFunc(w, func(b int64, _ int) bool { return b < first })
	}
}

func (b buckets) used() int {
	n := 0
	for _, calls := range b {
		n += calls
	}
	return n
}

// below is when so few calls are left in the window, if none are added.
func (b buckets) below(n int, r Rate) (at int64) {
	used := b.used()
	for _, i := range sorting.Sorted(maps.Keys(b)) {
		if used < n {
			break
		}
		used -= b[i]
		at = (i+1)*r.bucket() + r.Per.Milliseconds()
	}
	return at
}

// room is the least part of its limits that the key has left, and when it has room for a call of the lane.
func (a *account) room(now int64, p *Pool, lane Lane) (left float64, at int64) {
	left, at = 1, now
	for _, r := range p.Rates {
		w := a.Windows[r.Per.Milliseconds()]
		left = min(left, float64(r.Max-w.used())/float64(r.Max))
		at = max(at, w.below(r.inLane(lane), r))
	}
	return left, at
}

func (g *gate) refused() bool { return g.Why != "" && g.Why != fault.UpstreamRateLimited.String() }
func (g *gate) paused() bool  { return g.Why == fault.UpstreamRateLimited.String() }

// take lets a call through, or says why not.
func (s *state) take(now int64, p *Pool, lane Lane) (Grant, *Refusal) {
	if s.Gate.Why != "" && now < s.Gate.Until {
		return Grant{}, refusal(s.Gate.Why, s.Gate.Until-now)
	}
	probe := p.Probe.Milliseconds()
	best, most := -1, math.Inf(-1)
	wait, why := int64(math.MaxInt64), ""
	consider := func(key int, left float64, at int64, reason string) {
		switch {
		case at > now && at-now < wait:
			wait, why = at-now, reason
		case at <= now && left > most:
			best, most = key, left
		}
	}
	refused := 0
	for i, id := range p.Keys {
		a := s.account(id)
		left, at := a.room(now, p, lane)
		switch g := &a.Gate; {
		case g.refused():
			refused++
			if at <= now && now >= g.Until+(recheck-1)*probe {
				best, most = i, math.Inf(1)
			}
		case g.paused() && g.Until+int64(lane)*headstart.Milliseconds() > at:
			consider(i, left, g.Until+int64(lane)*headstart.Milliseconds(), g.Why)
		default:
			consider(i, left, at, fault.QuotaExhausted.String())
		}
	}
	if best < 0 && refused == len(p.Keys) {
		for i, id := range p.Keys {
			a := s.account(id)
			left, at := a.room(now, p, lane)
			if a.Gate.Until >= at {
				consider(i, left, a.Gate.Until, a.Gate.Why)
			} else {
				consider(i, left, at, fault.QuotaExhausted.String())
			}
		}
	}
	if best < 0 {
		return Grant{}, refusal(why, wait)
	}

	a := s.account(p.Keys[best])
	for _, r := range p.Rates {
		a.Windows[r.Per.Milliseconds()][now/r.bucket()]++
	}
	for _, g := range []*gate{&s.Gate, &a.Gate} {
		if g == &s.Gate && g.Why != "" || g.refused() {
			g.Turn++
			g.Until = now + probe
		}
	}
	return Grant{
		Key: best, At: time.UnixMilli(now).UTC(), turn: s.Gate.Turn, keyTurn: a.Gate.Turn,
		clean: s.Gate.Why == "" && s.Gate.Failures == 0 && !a.Gate.refused(),
	}, nil
}

func refusal(why string, wait int64) *Refusal {
	kind, _ := fault.KindNamed(why)
	return &Refusal{kind, time.Duration(wait) * time.Millisecond}
}

// report notes what became of a call. Of calls that were let through before a gate shut, only a 429 still counts: the
// longest pause is kept.
func (s *state) report(now int64, p *Pool, r *Report) Change {
	provider, key := &s.Gate, &s.account(p.Keys[r.Grant.Key]).Gate
	current, currentKey := r.Grant.turn == provider.Turn, r.Grant.keyTurn == key.Turn
	probe, change := p.Probe.Milliseconds(), Unchanged
	wait := ceilMilli(r.wait)
	switch r.end {
	case limited:
		if wait == 0 {
			wait = probe
		}
		if paused := key.paused() && now < key.Until; !paused || now+wait > key.Until {
			if !paused {
				key.Since, change = now, Paused
			}
			key.Why, key.Until = r.why.String(), now+wait
			key.Turn++
		}
	case keyRefused:
		if currentKey && key.shut(now, r.why, max(probe, wait)) {
			change = Refused
		}
	case blocked:
		if current && provider.shut(now, r.why, max(probe, wait)) {
			return Shut
		}
		return Unchanged
	case failed:
		if !current {
			return Unchanged
		}
		provider.Failures++
		if (provider.Why != "" || provider.Failures >= maxFailures) && provider.shut(now, r.why, max(probe, wait)) {
			return Shut
		}
		return Unchanged
	case answered:
		if currentKey && key.refused() {
			key.Why, change = "", Opened
		}
	}
	// The provider is there, whatever it said.
	if current {
		provider.Failures = 0
		if provider.Why != "" {
			provider.Why = ""
			if change == Unchanged {
				change = Opened
			}
		}
	}
	return change
}

// shut tells whether that is news: an outage may change its face.
func (g *gate) shut(now int64, why fault.Kind, wait int64) bool {
	before, _ := fault.KindNamed(g.Why)
	same := g.Why != "" && (before == why || outage(before) && outage(why))
	if !same {
		g.Since = now
	}
	g.Why, g.Until = why.String(), now+wait
	g.Turn++
	return !same
}

// outage tells whether the provider failed, where a refusal says that it is there.
func outage(k fault.Kind) bool {
	return k == fault.UpstreamUnavailable || k == fault.UpstreamTimeout || k == fault.UpstreamNonsense
}

func ceilMilli(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

func (s *state) status(now int64, p *Pool) Status {
	status := Status{Provider: p.Provider, At: time.UnixMilli(now).UTC(), Breaker: s.Gate.status(), Failures: s.Gate.Failures, Keys: make([]KeyStatus, len(p.Keys))}
	for i, id := range p.Keys {
		a := s.account(id)
		key := KeyStatus{ID: id, Gate: a.Gate.status()}
		if a.Gate.paused() && now >= a.Gate.Until {
			key.Gate = Gate{} // the pause is over
		}
		for _, r := range p.Rates {
			w := a.Windows[r.Per.Milliseconds()]
			key.Windows = append(key.Windows, Window{r, w.used(), time.UnixMilli(max(now, w.below(1, r))).UTC()})
		}
		status.Keys[i] = key
	}
	return status
}

func (g *gate) status() Gate {
	if g.Why == "" {
		return Gate{}
	}
	kind, _ := fault.KindNamed(g.Why)
	return Gate{true, kind, time.UnixMilli(g.Since).UTC(), time.UnixMilli(g.Until).UTC()}
}
