package audit

import (
	"context"
	"fmt"
	"time"
)

const (
	writeEvery  = 100 * time.Millisecond // how long a line waits for the kernel
	syncEvery   = time.Second            // how long it waits for the disk
	askEvery    = 500 * time.Millisecond // how often it is looked whether an export waits for our segment
	beatEvery   = 5 * time.Second        // how often we say that we live
	pruneEvery  = time.Hour
	sayEvery    = time.Minute     // how often it is said that lines are dropped
	storeWithin = 5 * time.Second // for one visit to the store
)

// writeSegments appends to the open segment what waits for it.
func (s *Sink) writeSegments(ctx context.Context) {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	var chunk, spare []byte // chunk is what could not be written yet
	lines := 0
	synced := time.Now()
	write := func() {
		for range 2 { // what could not be written before, and what came since
			if len(chunk) == 0 {
				chunk, lines = s.segment.take(spare)
				spare = nil
			}
			if len(chunk) == 0 {
				break
			}
			if err := s.disk.append(chunk, lines); err != nil {
				s.fails(fmt.Errorf("a log segment could not be written: %w", err))
				return
			}
			if spare, chunk = chunk[:0], nil; cap(spare) > segmentQueue/4 {
				spare = nil
			}
		}
		if now := time.Now(); now.Sub(synced) >= syncEvery {
			synced = now
			if err := s.disk.sync(); err != nil {
				s.fails(fmt.Errorf("a log segment could not be synced: %w", err))
			}
		}
	}
	rotate := func() {
		s.disk.rotate()
		select {
		case s.shipped <- struct{}{}: // wakes the shipper
		default:
		}
	}
	for {
		select {
		case <-tick.C:
			write()
			if open := s.disk.open; open != nil && open.lines > 0 && (open.size >= s.opts.SegmentBytes || time.Since(open.opened) >= s.opts.SegmentAge) {
				rotate()
			}
		case done := <-s.rotations:
			write()
			rotate()
			close(done)
		case <-ctx.Done():
			write()
			_ = s.disk.sync()
			s.disk.rotate()
			if len(chunk) > 0 {
				s.disk.dropped.Add(int64(lines))
			}
			return
		}
	}
}

// fails notes why lines may come to be dropped.
func (s *Sink) fails(err error) {
	text := err.Error()
	s.failure.Store(&text)
}

// rotate closes the open segment with all that was logged before.
func (s *Sink) rotate(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case s.rotations <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// ship stores all closed segments.
func (s *Sink) ship(ctx context.Context) error {
	s.shipping.Lock()
	defer s.shipping.Unlock()
	for {
		next := s.disk.next()
		if next == nil {
			return nil
		}
		packed, err := next.pack()
		if err != nil {
			// It cannot be read, and would keep all others waiting.
			s.fails(fmt.Errorf("a log segment could not be read: %w", err))
			s.disk.dropped.Add(int64(next.lines))
			s.disk.remove(next)
			continue
		}
		if packed.Lines > 0 {
			if err := s.store(ctx, func(ctx context.Context) error { return s.to.Ship(ctx, packed) }); err != nil {
				return err
			}
		}
		s.disk.remove(next)
	}
}

// store visits the store within a time.
func (s *Sink) store(ctx context.Context, visit func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	return visit(ctx)
}

// flush ships everything that was logged before, and says so to those who asked for it with the ticket.
func (s *Sink) flush(ctx context.Context, ticket int64) error {
	if err := s.rotate(ctx); err != nil {
		return err
	}
	if err := s.ship(ctx); err != nil {
		return err
	}
	if err := s.to.ShipActions(ctx); err != nil {
		return err
	}
	_, err := s.to.Beat(ctx, s.opts.Replica, ticket)
	return err
}

// runShipper ships what is closed, answers the requests of exports, says that we live, and deletes what is old, until the
// context ends and the last segment is written.
func (s *Sink) runShipper(ctx context.Context, written <-chan struct{}) {
	ask, prune := time.NewTicker(askEvery), time.NewTicker(pruneEvery)
	defer ask.Stop()
	defer prune.Stop()
	var flushed int64
	var beat, said time.Time
	var told int64
	for {
		select {
		case <-s.shipped:
			s.attempt(s.ship(ctx))
			continue
		case <-prune.C:
			s.prune(ctx)
			continue
		case <-ask.C:
		case <-ctx.Done():
			<-written
			s.last(context.WithoutCancel(ctx))
			return
		}
		if dropped := s.Stats().Dropped; dropped > told && time.Since(said) >= sayEvery {
			s.say(ctx, dropped-told, dropped)
			told, said = dropped, time.Now()
		}
		var ticket int64
		err := s.store(ctx, func(ctx context.Context) (err error) {
			if time.Since(beat) >= beatEvery {
				if ticket, err = s.to.Beat(ctx, s.opts.Replica, flushed); err == nil {
					beat = time.Now()
				}
				return err
			}
			ticket, err = s.to.Ticket(ctx)
			return err
		})
		switch {
		case err != nil:
			s.attempt(err)
		case ticket > flushed:
			if err := s.flush(ctx, ticket); err != nil {
				s.attempt(err)
				continue
			}
			flushed = ticket
		case s.disk.next() != nil:
			s.attempt(s.ship(ctx))
		case time.Since(beat) < askEvery: // after a beat
			s.attempt(s.store(ctx, s.to.ShipActions))
		}
	}
}

// attempt notes an error of the store: it is tried again, but until then segments wait on the disk.
func (s *Sink) attempt(err error) {
	if err == nil {
		return
	}
	s.fails(fmt.Errorf("log segments could not be stored: %w", err))
	s.shipping.Lock()
	defer s.shipping.Unlock()
	s.disk.trim(s.opts.DiskBytes)
}

func (s *Sink) say(ctx context.Context, since, total int64) {
	why := "more was logged than the disk took"
	if failure := s.failure.Swap(nil); failure != nil {
		why = *failure
	}
	s.logger.ErrorContext(ctx, "log lines were dropped", "event", "log.dropped", "lines", since, "total", total, "error", why)
}

func (s *Sink) prune(ctx context.Context) {
	if s.opts.Retention <= 0 {
		return
	}
	err := s.store(ctx, func(ctx context.Context) error {
		n, err := s.to.PruneSegments(ctx, time.Now().Add(-s.opts.Retention))
		if n > 0 {
			s.logger.InfoContext(ctx, "old log segments were deleted", "event", "log.prune", "segments", n)
		}
		return err
	})
	if err != nil {
		s.logger.WarnContext(ctx, "old log segments were not deleted", "event", "log.prune", "error", err)
	}
}

// last ships what is left, if the database takes it, and leaves.
func (s *Sink) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	if err := s.ship(ctx); err == nil {
		_ = s.to.ShipActions(ctx) // the next process does it
		_ = s.to.Leave(ctx, s.opts.Replica)
	}
	s.disk.close()
}
