package market

import (
	"context"
	"sync"
	"time"

	"github.com/coingraph/coingraph/telemetry"
)

// reader lets the pairs that many callers look for in the database travel together: while as many visits as may be are
// under way, what else is wanted waits, and one visit is made for all of it. So the busier the service is, the fewer statements
// and the fewer trips to the cache it needs for each price; who is alone waits for nobody.
type reader struct {
	mu       sync.Mutex
	waiting  []*sought
	underWay int
}

// sought is what one caller looks for.
type sought struct {
	*claim[Pair, quoted]
	ctx       context.Context // the caller's, for what observes
	notBefore time.Time       // a quote fetched after this will do
	since     time.Time       // when it was asked for
}

const (
	// maxReads bounds the visits under way side by side: one that takes long holds up nobody, and more of them would leave less
	// for each to carry.
	maxReads = 2
	// maxRead bounds the pairs of a visit for several callers.
	maxRead = 512
)

// add has the claim read in its turn; it gives what is to be read now by a new goroutine, if anything.
func (r *reader) add(w *sought) []*sought {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay < maxReads { // then nothing waits
		r.underWay++
		return []*sought{w}
	}
	r.waiting = append(r.waiting, w)
	return nil
}

// next takes what is to be read after a visit: what waits, in the order in which it came. With nothing, that visit has no
// successor.
func (r *reader) next() []*sought {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, size := 0, 0
	for n < len(r.waiting) && (n == 0 || size+len(r.waiting[n].keys) <= maxRead) {
		size += len(r.waiting[n].keys)
		n++
	}
	batch := r.waiting[:n:n]
	if r.waiting = r.waiting[n:]; n == 0 {
		r.waiting = nil
		r.underWay--
	}
	return batch
}

// read answers for pairs that the cache lacks, together with what others want, on goroutines of its own.
func (s *Service) read(w *sought) {
	batch := s.reader.add(w)
	if batch == nil {
		return
	}
	go func() {
		for len(batch) > 0 {
			s.readBatch(batch)
			batch = s.reader.next()
		}
	}()
}

// readBatch answers from the database, and has bought what is absent or too old there.
func (s *Service) readBatch(batch []*sought) {
	defer func() {
		if p := recover(); p != nil {
			err := s.panicked(p)
			for _, w := range batch {
				for _, p := range w.keys {
					w.settle(p, quoted{}, err)
				}
			}
		}
	}()
	ctx := context.WithoutCancel(batch[0].ctx)
	stored := s.readSought(ctx, batch)
	var entries []CacheEntry
	for _, w := range batch {
		var needs []need
		for _, p := range w.keys {
			q := stored[p]
			if q == nil || !q.FetchedAt.After(w.notBefore) {
				needs = append(needs, need{Pair: p, notBefore: w.notBefore, stored: q, read: true})
				delete(stored, p)
				continue
			}
			entries = s.offer(entries, q)
		}
		tally := telemetry.TallyOf(w.ctx)
		tally.Served(telemetry.Database, len(w.keys)-len(needs))
		if len(needs) > 0 {
			tally.Served(telemetry.Upstream, len(needs))
			go s.buySought(w, needs)
		}
	}
	// Cached before the flight lands: whoever comes later finds it there, and does not begin anew.
	s.keep(ctx, entries)
	for _, w := range batch {
		for _, p := range w.keys {
			if q := stored[p]; q != nil {
				w.settle(p, quoted{quote: q}, nil)
			}
		}
	}
}

// readSought is what the database has. Those who waited for another visit have had a part of the time for theirs.
func (s *Service) readSought(ctx context.Context, batch []*sought) map[Pair]*Quote {
	pairs := batch[0].keys
	if len(batch) > 1 {
		pairs = nil
		for _, w := range batch {
			pairs = append(pairs, w.keys...)
		}
	}
	until := batch[0].since.Add(s.opts.StoreTimeout)
	if least := time.Now().Add(s.opts.StoreTimeout / 4); until.Before(least) {
		until = least
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	stored := make(map[Pair]*Quote, len(pairs))
	s.readQuotes(ctx, pairs, stored)
	return stored
}

// buySought has the providers asked for what the database does not have.
func (s *Service) buySought(w *sought, needs []need) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(w.ctx), w.since.Add(s.opts.Budget))
	defer cancel()
	pairs := make([]Pair, len(needs))
	for i, n := range needs {
		pairs[i] = n.Pair
	}
	defer settleOnPanic(s, pairs, w.settle)
	for p, found := range s.buyQuotes(ctx, needs) {
		w.settle(p, found, nil)
	}
}
