package market

import (
	"context"
	"sync"
	"time"
)

// need is a pair that somebody wants from a provider.
type need struct {
	Pair
	notBefore time.Time // a quote fetched after this will do
	stored    *Quote    // what the database has, as far as is known
	read      bool      // the database was looked into just now
}

// gatherer lets what many callers need travel together: while one batch is under way, whatever else is needed waits and
// makes the next one. So the busier the service is, the fewer calls it makes for each value.
type gatherer struct {
	mu      sync.Mutex
	waiting []*gathered
	running bool
}

// gathered is what one caller needs.
type gathered struct {
	ctx   context.Context
	needs []need
	reply chan map[Pair]quoted
}

// ask answers for the needs, in a batch with others'. The work is given each pair once, with the context of the first who
// asked, and answers for all of them. It ends with the context at the latest.
func (g *gatherer) ask(ctx context.Context, needs []need, work func(context.Context, []need) map[Pair]quoted) map[Pair]quoted {
	mine := &gathered{ctx, needs, make(chan map[Pair]quoted, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, mine)
	begin := !g.running
	g.running = true
	g.mu.Unlock()
	if begin {
		go g.run(work)
	}
	select {
	case found := <-mine.reply:
		return found
	case <-ctx.Done():
		return nil
	}
}

func (g *gatherer) run(work func(context.Context, []need) map[Pair]quoted) {
	for {
		g.mu.Lock()
		batch := g.waiting
		g.waiting = nil
		g.running = len(batch) > 0
		g.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		found := work(batch[0].ctx, merge(batch))
		for _, b := range batch {
			b.reply <- found
		}
	}
}

// merge has each pair once, with the strictest of what was asked of it.
func merge(batch []*gathered) []need {
	if len(batch) == 1 {
		return batch[0].needs
	}
	var all []need
	at := make(map[Pair]int)
	for _, b := range batch {
		for _, n := range b.needs {
			i, ok := at[n.Pair]
			if !ok {
				at[n.Pair] = len(all)
				all = append(all, n)
				continue
			}
			m := &all[i]
			if n.notBefore.After(m.notBefore) {
				m.notBefore = n.notBefore
			}
			if n.stored != nil && (m.stored == nil || n.stored.FetchedAt.After(m.stored.FetchedAt)) {
				m.stored = n.stored
			}
			m.read = m.read && n.read
		}
	}
	return all
}
