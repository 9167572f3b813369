package market

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fault"
)

const (
	// absentTTL is how long it is remembered that a pair has no price.
	absentTTL = 5 * time.Minute
	// leasePoll is how often it is looked whether another replica is done, at the most.
	leasePoll = 40 * time.Millisecond
)

// buyQuotes has the providers asked for the pairs, together with what others need, and by one replica alone. It gives what is
// known of each: another replica's answer is as good as ours.
func (s *Service) buyQuotes(ctx context.Context, needs []need) map[Pair]quoted {
	found := make(map[Pair]quoted, len(needs))
	for {
		bought := s.gathered.ask(ctx, needs, s.buyBatch)
		var held []need
		for _, n := range needs {
			if q, ok := bought[n.Pair]; ok {
				found[n.Pair] = q
				continue
			}
			n.read = false
			held = append(held, n)
		}
		if len(held) == 0 {
			return found
		}
		if !pause(ctx, pollDelay()) {
			for _, n := range held {
				found[n.Pair] = quoted{n.stored, elsewhere(ctx)}
			}
			return found
		}
		needs = held
	}
}

// elsewhere is the fault of one whose time is up while another replica is asking.
func elsewhere(ctx context.Context) error {
	return fault.Wrap(fault.UpstreamTimeout, fmt.Errorf("another replica's call has not ended: %w", context.Cause(ctx)))
}

func pollDelay() time.Duration {
	return leasePoll/2 + rand.N(leasePoll/2) //nolint:gosec // spreads load, guards nothing
}

// pause waits; false: the context ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// buyBatch asks the providers once for what several callers need and for what rides along, saves what they gave and caches
// it, before anybody is answered. What another replica is asking for is left out of the answer.
func (s *Service) buyBatch(ctx context.Context, needs []need) (found map[Pair]quoted) {
	ctx, cancel := s.detach(ctx)
	defer cancel()
	found = make(map[Pair]quoted, len(needs))
	riders := s.riders(needs)
	keys := make([]string, 0, len(needs)+len(riders))
	for _, n := range needs {
		keys = append(keys, n.key())
	}
	for _, p := range riders {
		keys = append(keys, p.key())
	}
	claims, release := s.claim(ctx, keys)
	var answered, failed []string
	defer func() {
		if p := recover(); p != nil {
			s.opts.Log.ErrorContext(ctx, "panic in detached work", "event", "panic", "panic", p, "stack", string(debug.Stack()))
			for _, n := range needs {
				found[n.Pair] = quoted{nil, fault.New(fault.Internal, "")}
			}
			answered, failed = nil, keys
		}
		release(answered, true)
		release(failed, false)
	}()

	ours := make([]need, 0, len(needs))
	for i, n := range needs {
		if claims[i] != Held {
			n.read = n.read && claims[i] == Granted
			ours = append(ours, n)
		}
	}
	var along []Pair
	for i, p := range riders {
		if claims[len(needs)+i] != Held {
			along = append(along, p)
		}
	}
	stored := s.lookAgain(ctx, ours, along)
	var entries []CacheEntry
	var pairs []Pair
	for _, n := range ours {
		if q := stored[n.Pair]; q != nil && q.FetchedAt.After(n.notBefore) {
			found[n.Pair] = quoted{quote: q}
			entries = append(entries, s.quoteEntry(q))
			s.show(q)
			answered = append(answered, n.key())
			continue
		}
		pairs = append(pairs, n.Pair)
	}
	if len(pairs) == 0 {
		failed = keysOf(along) // nothing was asked for them
		s.keep(ctx, entries)
		return found
	}

	fetched, err := s.opts.Source.Quotes(ctx, slices.Concat(pairs, along))
	for i := range fetched {
		q := &fetched[i]
		if old := stored[q.Pair]; old != nil {
			*q = Newer(*old, *q)
		}
		found[q.Pair] = quoted{quote: q}
		entries = append(entries, s.quoteEntry(q))
		s.show(q)
		answered = append(answered, q.key())
	}
	if len(fetched) > 0 {
		s.visitStore(ctx, "save quotes", func(ctx context.Context) error { return s.opts.Store.SaveQuotes(ctx, fetched) })
	}
	for _, p := range pairs {
		switch _, ok := found[p]; {
		case ok:
		case err != nil:
			found[p] = quoted{stored[p], err}
			failed = append(failed, p.key())
		default:
			found[p] = quoted{}
			entries = append(entries, CacheEntry{p.key(), encodeQuote(p, nil), max(absentTTL, s.opts.PriceTTL)})
			answered = append(answered, p.key())
		}
	}
	for _, p := range along {
		if _, ok := found[p]; !ok {
			failed = append(failed, p.key())
		}
	}
	// Cached before anybody is told: whoever comes later finds it there, and does not begin anew.
	s.keep(ctx, entries)
	return found
}

// keep caches the entries, if there are any.
func (s *Service) keep(ctx context.Context, entries []CacheEntry) {
	if len(entries) > 0 {
		s.opts.Cache.Set(ctx, entries)
	}
}

// lookAgain is what the database has of the pairs. It is asked only if there is something that was not read just now.
func (s *Service) lookAgain(ctx context.Context, needs []need, along []Pair) map[Pair]*Quote {
	stored := make(map[Pair]*Quote, len(needs)+len(along))
	unread := slices.Clone(along)
	for _, n := range needs {
		if n.stored != nil {
			stored[n.Pair] = n.stored
		}
		if !n.read {
			unread = append(unread, n.Pair)
		}
	}
	if len(unread) > 0 {
		s.readQuotes(ctx, unread, stored)
	}
	return stored
}

func (s *Service) readQuotes(ctx context.Context, pairs []Pair, into map[Pair]*Quote) {
	s.visitStore(ctx, "quotes", func(ctx context.Context) error {
		rows, err := s.opts.Store.Quotes(ctx, pairs)
		for i := range rows {
			into[rows[i].Pair] = &rows[i]
		}
		return err
	})
}

// riders are pairs that were asked for lately and cost nothing beside what is needed.
func (s *Service) riders(needs []need) []Pair {
	pairs := make([]Pair, len(needs))
	asked := make(map[Pair]bool, len(needs))
	for i, n := range needs {
		pairs[i] = n.Pair
		asked[n.Pair] = true
	}
	lately := slices.DeleteFunc(s.board.lately(s.opts.Now()), func(p Pair) bool { return asked[p] })
	if len(lately) == 0 {
		return nil
	}
	return s.opts.Source.Riders(pairs, lately)
}

// renew has pairs whose quotes will soon be too old asked for again, behind the caller's back: what is asked for all the
// time never misses.
func (s *Service) renew(ctx context.Context, pairs []Pair) {
	var mine []Pair
	for _, p := range pairs {
		if _, busy := s.renewing.LoadOrStore(p, struct{}{}); !busy {
			mine = append(mine, p)
		}
	}
	if len(mine) == 0 {
		return
	}
	notBefore := s.opts.Now().Add(-s.opts.PriceTTL / 2)
	go func() {
		ctx, cancel := s.detach(ctx)
		defer cancel()
		defer func() {
			for _, p := range mine {
				s.renewing.Delete(p)
			}
		}()
		needs := make([]need, len(mine))
		for i, p := range mine {
			needs[i] = need{Pair: p, notBefore: notBefore}
		}
		for p, q := range s.buyQuotes(ctx, needs) {
			if q.err != nil && !errors.Is(q.err, context.DeadlineExceeded) {
				s.opts.Log.DebugContext(ctx, "a price could not be renewed", "event", "quote.renew", "asset", p.Asset, "currency", string(p.Currency), "error", q.err)
			}
		}
	}()
}

// claim claims what keys name for this replica; without leases all is granted.
func (s *Service) claim(ctx context.Context, keys []string) ([]Claim, func([]string, bool)) {
	if s.opts.Leases != nil {
		return s.opts.Leases.Claim(ctx, keys)
	}
	claims := make([]Claim, len(keys))
	for i := range claims {
		claims[i] = Granted
	}
	return claims, func([]string, bool) {}
}
