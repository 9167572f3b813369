package history

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/coingraph/coingraph/market"
)

// Store is where series are imported into.
type Store interface {
	Source
	SaveSeries(ctx context.Context, w market.SeriesWrite) error
}

// batchRows is how many rows are stored at once: it bounds the memory of an import.
const batchRows = 5000

// Import says how rows come into a store.
type Import struct {
	Store Store
	Guard market.Guard // the zero value: what is imported is not judged
	// Bad is told each line that is no row.
	Bad func(LineError)
}

// Imported is what became of the rows of a file.
type Imported struct {
	Stored      int // rows
	Quarantined int // rows that the guard held back
	Refused     int // good rows that were not stored because there is a bad line in their batch
	Bad         int // lines
}

// Run stores the rows in batches: up to 5000 of one series that follow each other. A batch is stored whole, or, if one of its
// lines is bad, not at all; reading goes on, so that all bad lines are named. Rows of a series have to ascend by stamp. The error is one
// that stopped the import: what was stored before stays.
func (im *Import) Run(ctx context.Context, r Reader) (done Imported, err error) {
	b := batch{im: im, done: &done}
	for {
		line, row, err := r.Read()
		var bad LineError
		switch {
		case errors.Is(err, io.EOF):
			return done, b.store(ctx)
		case errors.As(err, &bad):
			b.refuse(bad)
			continue
		case err != nil:
			return done, err
		}
		if row.SeriesKey != b.key || len(b.points) >= batchRows {
			if err := b.store(ctx); err != nil {
				return done, fmt.Errorf("before line %d: %w", line, err)
			}
		}
		switch {
		case row.SeriesKey != b.key:
			b.key = row.SeriesKey
		case row.Stamp <= b.last:
			b.refuse(LineError{line, "its timestamp is not after that of the row before"})
			continue
		}
		b.last = row.Stamp
		b.points = append(b.points, row.Point)
	}
}

// batch is the rows that are stored next.
type batch struct {
	im     *Import
	done   *Imported
	key    market.SeriesKey
	last   int64 // stamp of the series' last row
	points []market.Point
	bad    bool
}

func (b *batch) refuse(e LineError) {
	b.bad = true
	b.done.Bad++
	if b.im.Bad != nil {
		b.im.Bad(e)
	}
}

func (b *batch) store(ctx context.Context) error {
	points, bad := b.points, b.bad
	b.points, b.bad = b.points[:0], false
	switch {
	case bad:
		b.done.Refused += len(points)
		return nil
	case len(points) == 0:
		return nil
	}
	w := market.Imported(b.key, points)
	if b.im.Guard.Factor > 0 {
		neighbours, err := b.im.Store.Histories(ctx, []market.Window{{SeriesKey: b.key, Range: w.Around()}})
		if err != nil {
			return err
		}
		w = b.im.Guard.Inspect(w, neighbours[0])
	}
	if err := b.im.Store.SaveSeries(ctx, w); err != nil {
		return err
	}
	// Those held back may be of the batch before: the last row of a batch is judged with the next one.
	b.done.Stored += len(points) - len(w.Quarantined)
	b.done.Quarantined += len(w.Quarantined)
	return nil
}
