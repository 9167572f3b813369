// Package authtest is what tests of and around auth share: a store of API keys in memory, and what any such store
// promises, as tests that it runs.
package authtest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/coingraph/coingraph/auth"
)

// Store is an [auth.KeyStore] made of functions, so that a test can replace one of them.
type Store struct {
	InsertKeyFn func(ctx context.Context, key auth.StoredKey) error
	KeysFn      func(ctx context.Context) ([]auth.StoredKey, error)
	KeyByHashFn func(ctx context.Context, hash [sha256.Size]byte) (auth.StoredKey, bool, error)
	RevokeKeyFn func(ctx context.Context, id string, at time.Time) (auth.StoredKey, bool, error)
	TouchKeysFn func(ctx context.Context, used map[string]time.Time) error
}

// InsertKey calls InsertKeyFn.
func (s *Store) InsertKey(ctx context.Context, key auth.StoredKey) error {
	return s.InsertKeyFn(ctx, key)
}

// Keys calls KeysFn.
func (s *Store) Keys(ctx context.Context) ([]auth.StoredKey, error) { return s.KeysFn(ctx) }

// KeyByHash calls KeyByHashFn.
func (s *Store) KeyByHash(ctx context.Context, hash [sha256.Size]byte) (auth.StoredKey, bool, error) {
	return s.KeyByHashFn(ctx, hash)
}

// RevokeKey calls RevokeKeyFn.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) (auth.StoredKey, bool, error) {
	return s.RevokeKeyFn(ctx, id, at)
}

// TouchKeys calls TouchKeysFn.
func (s *Store) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	return s.TouchKeysFn(ctx, used)
}

// Memory is an empty store in memory, safe for concurrent use.
func Memory() *Store {
	m := &memory{keys: make(map[string]auth.StoredKey)}
	return &Store{m.insert, m.list, m.byHash, m.revoke, m.touch}
}

type memory struct {
	mu   sync.Mutex
	keys map[string]auth.StoredKey // by id
}

func (m *memory) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

func (m *memory) insert(ctx context.Context, key auth.StoredKey) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, k := range m.keys {
		if k.Name == key.Name && k.RevokedAt.IsZero() {
			return auth.NameTaken()
		}
	}
	m.keys[key.ID] = key
	return nil
}

func (m *memory) list(ctx context.Context) ([]auth.StoredKey, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var all []auth.StoredKey
	for _, k := range m.keys {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b auth.StoredKey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

func (m *memory) byHash(ctx context.Context, hash [sha256.Size]byte) (auth.StoredKey, bool, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return auth.StoredKey{}, false, err
	}
	defer unlock()
	for _, k := range m.keys {
		if k.Hash == hash {
			return k, true, nil
		}
	}
	return auth.StoredKey{}, false, nil
}

func (m *memory) revoke(ctx context.Context, id string, at time.Time) (auth.StoredKey, bool, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return auth.StoredKey{}, false, err
	}
	defer unlock()
	k, found := m.keys[id]
	if found && k.RevokedAt.IsZero() {
		k.RevokedAt = at
		m.keys[id] = k
	}
	return k, found, nil
}

func (m *memory) touch(ctx context.Context, used map[string]time.Time) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for id, at := range used {
		if k, ok := m.keys[id]; ok && at.After(k.LastUsedAt) {
			k.LastUsedAt = at
			m.keys[id] = k
		}
	}
	return nil
}
