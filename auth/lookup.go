package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/coingraph/coingraph/fault"
)

const (
	// keyTTL is how long what the store said of a key is believed, from the moment that it was asked. A revocation is
	// promised to hold within 5 s everywhere; the second that is left is for requests on their way.
	keyTTL = 4 * time.Second
	// lookupTimeout bounds one look-up, which runs for all who wait for it and ends with none of them.
	lookupTimeout = 2 * time.Second
	// maxCached bounds the keys that are remembered, and apart from them the hashes that no key has: a flood of wrong
	// keys pushes out no right one. About 1 MB each.
	maxCached = 8192
)

// lookup finds keys by their hash: in memory for a while, then in the store. Those who ask for the same hash at the same
// time share one question. Failures are not remembered.
type lookup struct {
	store  KeyStore
	now    func() time.Time
	known  *lru.Cache[[sha256.Size]byte, answer]
	absent *lru.Cache[[sha256.Size]byte, time.Time] // when the store was asked
	flight singleflight.Group
}

type answer struct {
	key     StoredKey
	found   bool
	askedAt time.Time
}

func newLookup(store KeyStore, now func() time.Time) *lookup {
	known, err := lru.New[[sha256.Size]byte, answer](maxCached)
	absent, err2 := lru.New[[sha256.Size]byte, time.Time](maxCached)
	if err = errors.Join(err, err2); err != nil {
		panic(err) // only for a size that is not positive
	}
	return &lookup{store: store, now: now, known: known, absent: absent}
}

// find is the key with the hash, whatever its state. It fails with fault.StoreUnavailable, or fault.Internal.
func (l *lookup) find(ctx context.Context, hash [sha256.Size]byte) (key StoredKey, found bool, err error) {
	if a, ok := l.cached(hash); ok {
		return a.key, a.found, nil
	}
	asked := l.flight.DoChan(string(hash[:]), func() (any, error) { return l.ask(ctx, hash) })
	select {
	case r := <-asked:
		if r.Err != nil {
			return StoredKey{}, false, r.Err
		}
		a := r.Val.(answer)
		return a.key, a.found, nil
	case <-ctx.Done():
		return StoredKey{}, false, fault.Wrap(fault.StoreUnavailable, fmt.Errorf("auth: waiting for a key: %w", ctx.Err()))
	}
}

func (l *lookup) cached(hash [sha256.Size]byte) (answer, bool) {
	now := l.now()
	if a, ok := l.known.Get(hash); ok && now.Sub(a.askedAt) < keyTTL {
		return a, true
	}
	if askedAt, ok := l.absent.Get(hash); ok && now.Sub(askedAt) < keyTTL {
		return answer{}, true
	}
	return answer{}, false
}

func (l *lookup) ask(ctx context.Context, hash [sha256.Size]byte) (a answer, err error) {
	defer func() {
		// singleflight would end the program.
		if p := recover(); p != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("auth: panic in the store: %v", p))
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
	defer cancel()
	a.askedAt = l.now() // before: what is revoked from here on may be missed
	a.key, a.found, err = l.store.KeyByHash(ctx, hash)
	switch {
	case err == nil && a.found:
		l.known.Add(hash, a)
		l.absent.Remove(hash)
	case err == nil:
		l.absent.Add(hash, a.askedAt)
		l.known.Remove(hash)
	case ctx.Err() != nil:
		// The deadline is ours, not the request's, which [fault.Of] would take it for.
		err = fault.Wrap(fault.StoreUnavailable, fmt.Errorf("auth: look a key up: %w", err))
	default:
		err = fmt.Errorf("auth: look a key up: %w", err)
	}
	return a, err
}

// forget makes the next one who shows the key ask the store.
func (l *lookup) forget(hash [sha256.Size]byte) { l.known.Remove(hash) }
