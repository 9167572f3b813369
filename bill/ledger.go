package bill

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coingraph/coingraph/limit/quota"
)

const (
	flushEvery  = time.Second     // how long a call waits at most to be stored
	storeWithin = 5 * time.Second // for one visit to the store
	pruneEvery  = time.Hour
	// maxLines is how many lines wait at most while the store is away. Beyond it, calls are booked without asset and
	// consumer: whose they were is lost, and not that they were made.
	maxLines = 10_000
)

// Ledger books calls behind the back of those who make them: booking never waits and never fails.
type Ledger struct {
	store Store
	log   *slog.Logger

	flushing sync.Mutex // one at a time, so that Flush means that all is stored
	mu       sync.Mutex
	pending  map[Line]tally // by the line without its calls
}

type tally struct{ calls, failed int }

// NewLedger makes a ledger; [Ledger.Run] makes it work.
func NewLedger(s Store, log *slog.Logger) *Ledger {
	return &Ledger{store: s, log: log, pending: make(map[Line]tally)}
}

// Book takes a call. It never blocks.
func (l *Ledger) Book(c Call) {
	line := Line{
		Minute: c.At.UTC().Truncate(time.Minute), Provider: c.Provider, Key: c.Key, Lane: c.Lane.String(), Operation: c.Operation,
		Asset: c.Asset, Caller: c.Caller,
	}
	t := tally{calls: 1}
	if c.Failed {
		t.failed = 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(line, t)
}

func (l *Ledger) add(line Line, t tally) {
	if _, ok := l.pending[line]; !ok && len(l.pending) >= maxLines {
		line.Asset, line.Caller = "", ""
	}
	sum := l.pending[line]
	l.pending[line] = tally{sum.calls + t.calls, sum.failed + t.failed}
}

// Run stores what is booked until the context ends, and then what is left.
func (l *Ledger) Run(ctx context.Context) {
	flush, prune := time.NewTicker(flushEvery), time.NewTicker(pruneEvery)
	defer flush.Stop()
	defer prune.Stop()
	for {
		select {
		case <-flush.C:
			l.flush(ctx)
		case <-prune.C:
			l.prune(ctx)
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

func (l *Ledger) flush(ctx context.Context) {
	if err := l.Flush(ctx); err != nil {
		l.log.WarnContext(ctx, "calls to providers could not be booked yet", "event", "bill.fault", "error", err)
	}
}

// Flush stores what is booked so far. What cannot be stored is kept for the next time.
func (l *Ledger) Flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	batch := l.pending
	l.pending = make(map[Line]tally)
	l.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	lines := make([]Line, 0, len(batch))
	for line, t := range batch {
		line.Calls, line.Failed = t.calls, t.failed
		lines = append(lines, line)
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	err := l.store.Book(ctx, lines)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		for line, t := range batch {
			l.add(line, t)
		}
	}
	return err
}

func (l *Ledger) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	if n, err := l.store.PruneBill(ctx, time.Now().Add(-retention)); err != nil {
		l.log.WarnContext(ctx, "old lines of the bill were not deleted", "event", "bill.prune", "error", err)
	} else if n > 0 {
		l.log.InfoContext(ctx, "old lines of the bill deleted", "event", "bill.prune", "lines", n)
	}
}

// History is what was spent of a provider since an instant, for a quota that has lost its counts. This process's own
// calls are all in it; those of others that were over less than a second ago may not be. A call counts from the end of
// its minute on, at most from now.
func (l *Ledger) History(ctx context.Context, provider string, since time.Time) ([]quota.Spent, error) {
	if err := l.Flush(ctx); err != nil {
		return nil, err
	}
	lines, err := l.store.Calls(ctx, provider, since)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	spent := make([]quota.Spent, len(lines))
	for i, line := range lines {
		at := line.Minute.Add(time.Minute - time.Millisecond)
		if at.After(now) {
			at = now
		}
		spent[i] = quota.Spent{Key: line.Key, At: at, Calls: line.Calls}
	}
	return spent, nil
}
