package authtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

// Opener makes a store that is empty and ready, and gives a function that connects to it: called twice, it gives two
// stores that share it as replicas do. Both end with the test.
type Opener func(t *testing.T) (connect func() auth.KeyStore)

// Run tests that a kind of store keeps the promises of [auth.KeyStore]; each test has a store of its own.
func Run(t *testing.T, open Opener) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, connect func() auth.KeyStore)
	}{
		{"every field", everyField},
		{"order", order},
		{"names", names},
		{"one name on two replicas", nameRace},
		{"revoke", revoke},
		{"last use", touch},
		{"context", ended},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

func at(minute int) time.Time { return time.Date(2026, 11, 1, 0, minute, 0, 7e6, time.UTC) }

func key(n int) auth.StoredKey {
	return auth.StoredKey{
		ID: fmt.Sprintf("key_%016d", n), Name: fmt.Sprintf("name-%d", n), Tier: "standard", Hash: sha256.Sum256([]byte{byte(n)}), CreatedAt: at(n),
	}
}

func insert(t *testing.T, s auth.KeyStore, keys ...auth.StoredKey) {
	t.Helper()
	for _, k := range keys {
		if err := s.InsertKey(t.Context(), k); err != nil {
			t.Fatalf("insert %s: %v", k.ID, err)
		}
	}
}

func list(t *testing.T, s auth.KeyStore) []auth.StoredKey {
	t.Helper()
	keys, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// wantHash wants the key to be what its hash finds.
func wantHash(t *testing.T, s auth.KeyStore, want auth.StoredKey) {
	t.Helper()
	got, found, err := s.KeyByHash(t.Context(), want.Hash)
	if err != nil || !found {
		t.Fatalf("the key with the hash: %v %v", found, err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("the key with the hash (-want +got):\n%s", diff)
	}
}

func everyField(t *testing.T, connect func() auth.KeyStore) {
	a, b := connect(), connect()
	if _, found, err := a.KeyByHash(t.Context(), key(1).Hash); found || err != nil {
		t.Errorf("an empty store: found %v, %v", found, err)
	}
	if keys := list(t, a); len(keys) != 0 {
		t.Errorf("an empty store has %d keys", len(keys))
	}
	full, bare := key(1), key(2)
	full.ExpiresAt, full.LastUsedAt, full.RevokedAt = at(100), at(101), at(102)
	bare.Hash[0] = 0 // a hash is bytes, not text
	insert(t, a, full, bare)
	wantHash(t, b, full)
	wantHash(t, b, bare)
	if diff := gocmp.Diff([]auth.StoredKey{full, bare}, list(t, b)); diff != "" {
		t.Errorf("all keys (-want +got):\n%s", diff)
	}
}

func order(t *testing.T, connect func() auth.KeyStore) {
	s := connect()
	first, second, third := key(3), key(1), key(2)
	first.CreatedAt, second.CreatedAt, third.CreatedAt = at(1), at(2), at(2)
	insert(t, s, third, second, first)
	if diff := gocmp.Diff([]auth.StoredKey{first, second, third}, list(t, s)); diff != "" {
		t.Errorf("all keys (-want +got):\n%s", diff)
	}
}

// wantTaken wants the error of a name that another key has.
func wantTaken(t *testing.T, err error) {
	t.Helper()
	want := fault.Of(auth.NameTaken())
	if got := fault.Of(err); got == nil || got.Kind != want.Kind || !gocmp.Equal(got.Fields, want.Fields) {
		t.Errorf("a name that is taken: %v, want %v", err, want)
	}
}

func names(t *testing.T, connect func() auth.KeyStore) {
	s := connect()
	expired, again := key(1), key(2)
	expired.ExpiresAt = at(2)
	again.Name = expired.Name
	insert(t, s, expired)
	wantTaken(t, s.InsertKey(t.Context(), again))
	if diff := gocmp.Diff([]auth.StoredKey{expired}, list(t, s)); diff != "" {
		t.Errorf("after a refusal (-want +got):\n%s", diff)
	}
	other := key(3)
	other.Name = "NAME-1"
	insert(t, s, other) // case matters
	if _, _, err := s.RevokeKey(t.Context(), expired.ID, at(3)); err != nil {
		t.Fatal(err)
	}
	insert(t, s, again)
	wantHash(t, s, again)
}

func nameRace(t *testing.T, connect func() auth.KeyStore) {
	replicas := []auth.KeyStore{connect(), connect()}
	const n = 8
	errs := make([]error, n)
	var g errgroup.Group
	for i := range n {
		g.Go(func() error {
			k := key(i)
			k.Name = "the-same"
			errs[i] = replicas[i%2].InsertKey(t.Context(), k)
			return nil
		})
	}
	_ = g.Wait() // they all give nil
	stored := 0
	for _, err := range errs {
		if err == nil {
			stored++
			continue
		}
		wantTaken(t, err)
	}
	if keys := list(t, replicas[0]); stored != 1 || len(keys) != 1 {
		t.Errorf("%d inserts succeeded, %d keys are stored: want one", stored, len(keys))
	}
}

func revoke(t *testing.T, connect func() auth.KeyStore) {
	a, b := connect(), connect()
	k := key(1)
	insert(t, a, k, key(2))
	wantHash(t, b, k)
	k.RevokedAt = at(5)
	for _, minute := range []int{5, 4, 6} { // the first one counts
		got, found, err := a.RevokeKey(t.Context(), k.ID, at(minute))
		if diff := gocmp.Diff(k, got); diff != "" || !found || err != nil {
			t.Errorf("found %v, %v (-want +got):\n%s", found, err, diff)
		}
		wantHash(t, b, k)
	}
	wantHash(t, b, key(2))
	if got, found, err := a.RevokeKey(t.Context(), key(9).ID, at(5)); found || err != nil || got != (auth.StoredKey{}) {
		t.Errorf("an unknown id: %+v %v %v", got, found, err)
	}
}

func touch(t *testing.T, connect func() auth.KeyStore) {
	a, b := connect(), connect()
	one, two, three := key(1), key(2), key(3)
	insert(t, a, one, two, three)
	for _, used := range []map[string]time.Time{
		nil,
		{one.ID: at(10), two.ID: at(20), key(9).ID: at(30)},
		{one.ID: at(11), two.ID: at(19)},
	} {
		if err := a.TouchKeys(t.Context(), used); err != nil {
			t.Fatal(err)
		}
	}
	one.LastUsedAt, two.LastUsedAt = at(11), at(20)
	if diff := gocmp.Diff([]auth.StoredKey{one, two, three}, list(t, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func ended(t *testing.T, connect func() auth.KeyStore) {
	s := connect()
	insert(t, s, key(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"InsertKey": func() error { return s.InsertKey(ctx, key(2)) },
		"Keys":      func() error { _, err := s.Keys(ctx); return err },
		"KeyByHash": func() error { _, _, err := s.KeyByHash(ctx, key(1).Hash); return err },
		"RevokeKey": func() error { _, _, err := s.RevokeKey(ctx, key(1).ID, at(1)); return err },
		"TouchKeys": func() error { return s.TouchKeys(ctx, map[string]time.Time{key(1).ID: at(1)}) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want that the context was cancelled", name, err)
		}
	}
	if diff := gocmp.Diff([]auth.StoredKey{key(1)}, list(t, s)); diff != "" {
		t.Errorf("something was written (-want +got):\n%s", diff)
	}
}
