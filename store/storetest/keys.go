package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

// keyTests are about what a database can get wrong; package authtest has the tests of any auth.KeyStore.
var keyTests = []test{
	{"instants", keysInstants},
	{"order", keysOrder},
	{"texts", keysTexts},
	{"text that cannot be kept", keysUnstorable},
	{"what is there already", keysTwice},
	{"concurrent inserts and revocations", keysConcurrent},
	{"concurrent revocations of one key", keysRevokedAtOnce},
	{"concurrent uses", keysTouchedAtOnce},
	{"uses of 5000 keys", keysTouchMany},
	{"context", keysContext},
}

func newKey(id string) auth.StoredKey {
	return auth.StoredKey{ID: id, Name: id, Tier: "public", Hash: sha256.Sum256([]byte(id)), CreatedAt: at(0)}
}

func insertKeys(t *testing.T, s Store, keys ...auth.StoredKey) {
	t.Helper()
	for _, k := range keys {
		must(t, s.InsertKey(t.Context(), k))
	}
}

func allKeys(t *testing.T, s Store) []auth.StoredKey {
	t.Helper()
	keys, err := s.Keys(t.Context())
	must(t, err)
	return keys
}

// nameTaken tells whether an error is the one of [auth.NameTaken].
func nameTaken(err error) bool {
	var e *fault.Error
	return errors.As(err, &e) && e.Kind == fault.BadInput && len(e.Fields) == 1 && e.Fields[0].Field == "name"
}

// keysInstants has instants that look like none, and such that are not in UTC or finer than a millisecond.
func keysInstants(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	elsewhere := time.FixedZone("", -5*3600)
	instants := []time.Time{
		{},
		time.Unix(0, 0).UTC(),
		time.UnixMilli(-1).UTC(),
		time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
		at(1).In(elsewhere),
		at(2).Add(7*time.Millisecond + 999_999*time.Nanosecond),
	}
	kept := slices.Clone(instants)
	kept[4], kept[5] = at(1), at(2).Add(7*time.Millisecond)
	for i, instant := range instants {
		k := newKey(fmt.Sprint("key_", i))
		k.ExpiresAt, k.LastUsedAt = instant, instant
		insertKeys(t, a, k)
		k.ExpiresAt, k.LastUsedAt = kept[i], kept[i]
		got, found, err := b.KeyByHash(t.Context(), k.Hash)
		must(t, err)
		check(t, "found", found, true)
		if got != k { // to the time zone
			t.Errorf("got %+v, want %+v", got, k)
		}
		revoked, _, err := a.RevokeKey(t.Context(), k.ID, at(3).In(elsewhere).Add(time.Nanosecond))
		must(t, err)
		if k.RevokedAt = at(3); revoked != k {
			t.Errorf("revoked: got %+v, want %+v", revoked, k)
		}
	}
}

// keysOrder has ids that a locale would order in another way than by byte.
func keysOrder(t *testing.T, connect func() Store) {
	s := connect()
	check(t, "no keys", allKeys(t, s), nil)
	var want []auth.StoredKey
	for _, id := range []string{"B", "_", "a", "a-c", "a_b", "ab", "b"} {
		want = append(want, newKey(id))
	}
	last := newKey("A")
	last.CreatedAt = at(0).Add(time.Millisecond)
	want = append(want, last)
	for _, i := range rand.Perm(len(want)) {
		insertKeys(t, s, want[i])
	}
	check(t, "keys", allKeys(t, s), want)
}

func keysTexts(t *testing.T, connect func() Store) {
	s := connect()
	for i, text := range []string{"", "it's \\ ? $1 \"x\" @rows access.api_keys", "' OR 1=1 --", "é", "e\u0301", "🚀", "A", "a", "a "} {
		k := newKey(text)
		k.Tier, k.CreatedAt = text, at(i)
		insertKeys(t, s, k)
		keys := allKeys(t, s)
		check(t, "the last key", keys[len(keys)-1], k)
		check(t, "keys", len(keys), i+1)
		must(t, s.TouchKeys(t.Context(), map[string]time.Time{text: at(20)}))
		k.LastUsedAt, k.RevokedAt = at(20), at(30)
		got, found, err := s.RevokeKey(t.Context(), text, at(30))
		must(t, err)
		check(t, "found", found, true)
		check(t, "revoked", got, k)
	}
}

func keysUnstorable(t *testing.T, connect func() Store) {
	s := connect()
	good := newKey("ab")
	insertKeys(t, s, good)
	for _, text := range []string{"ab\x00", "a\x00b", "ab\xff"} {
		for what, change := range map[string]func(*auth.StoredKey){
			"id":   func(k *auth.StoredKey) { k.ID = text },
			"name": func(k *auth.StoredKey) { k.Name = text },
			"tier": func(k *auth.StoredKey) { k.Tier = text },
		} {
			bad := newKey("bad")
			change(&bad)
			if err := s.InsertKey(t.Context(), bad); err == nil || fault.Is(err, fault.StoreUnavailable) || nameTaken(err) {
				t.Errorf("%s %q: %v", what, text, err)
			}
		}
		got, found, err := s.RevokeKey(t.Context(), text, at(1))
		must(t, err)
		check(t, "found", found, false)
		check(t, "revoked", got, auth.StoredKey{})
		must(t, s.TouchKeys(t.Context(), map[string]time.Time{text: at(9)}))
	}
	must(t, s.TouchKeys(t.Context(), map[string]time.Time{"ab\x00": at(9), "ab": at(5)}))
	good.LastUsedAt = at(5)
	check(t, "keys", allKeys(t, s), []auth.StoredKey{good})
}

// keysTwice inserts what must not occur twice: only of a name is the caller to be told.
func keysTwice(t *testing.T, connect func() Store) {
	s := connect()
	live, revoked := newKey("live"), newKey("revoked")
	revoked.RevokedAt = at(1)
	insertKeys(t, s, live, revoked)
	with := func(change func(*auth.StoredKey)) auth.StoredKey { k := newKey("new"); change(&k); return k }
	for _, c := range []struct {
		what  string
		key   auth.StoredKey
		taken bool
	}{
		{"the key itself", live, true},
		{"its name", with(func(k *auth.StoredKey) { k.Name = "live" }), true},
		{"its id", with(func(k *auth.StoredKey) { k.ID = "live" }), false},
		{"its hash", with(func(k *auth.StoredKey) { k.Hash = live.Hash }), false},
		{"the id of a revoked key", with(func(k *auth.StoredKey) { k.ID = "revoked" }), false},
		{"the hash of a revoked key", with(func(k *auth.StoredKey) { k.Hash = revoked.Hash }), false},
	} {
		err := s.InsertKey(t.Context(), c.key)
		if err == nil || fault.Is(err, fault.StoreUnavailable) || nameTaken(err) != c.taken {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	check(t, "keys", allKeys(t, s), []auth.StoredKey{live, revoked})
	again := newKey("again")
	again.Name = "revoked"
	insertKeys(t, s, again)
	again.ID, again.Hash = "third", sha256.Sum256(nil)
	if err := s.InsertKey(t.Context(), again); !nameTaken(err) {
		t.Errorf("the name of a revoked key that another one has: %v", err)
	}
}

// keysConcurrent has replicas insert keys of few names, each of which is revoked by whoever inserted it.
func keysConcurrent(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const writers, rounds, names = 6, 25, 2
	writing, done := context.WithCancel(t.Context())
	defer done()
	inserted := make([]int, writers)
	var g, readers errgroup.Group
	for w := range writers {
		g.Go(func() error {
			s := stores[w%len(stores)]
			for round := range rounds {
				k := newKey(fmt.Sprintf("%d-%02d", w, round))
				k.Name = fmt.Sprint("name-", round%names)
				err := s.InsertKey(t.Context(), k)
				if nameTaken(err) {
					continue
				}
				if err != nil {
					return err
				}
				inserted[w]++
				if _, found, err := s.RevokeKey(t.Context(), k.ID, at(1)); err != nil || !found {
					return fmt.Errorf("revoke %s: %v, %w", k.ID, found, err)
				}
			}
			return nil
		})
	}
	for _, s := range stores {
		readers.Go(func() error {
			for writing.Err() == nil {
				keys, err := s.Keys(t.Context())
				if err != nil {
					return err
				}
				live := map[string]string{}
				for _, k := range keys {
					if !k.RevokedAt.IsZero() {
						continue
					}
					if other, ok := live[k.Name]; ok {
						return fmt.Errorf("%s and %s are both %s", other, k.ID, k.Name)
					}
					live[k.Name] = k.ID
				}
			}
			return nil
		})
	}
	err := g.Wait()
	done()
	must(t, errors.Join(err, readers.Wait()))
	total := 0
	for _, n := range inserted {
		total += n
	}
	keys := allKeys(t, stores[0])
	check(t, "keys", len(keys), total)
	for _, k := range keys {
		check(t, k.ID, k.RevokedAt, at(1))
	}
	// All are revoked, which every replica has to know by now.
	for i, s := range stores {
		k := newKey(fmt.Sprint("last-", i))
		insertKeys(t, s, k)
		k.ID, k.Hash = k.ID+"-again", sha256.Sum256([]byte{byte(i)})
		if err := stores[1-i].InsertKey(t.Context(), k); !nameTaken(err) {
			t.Errorf("a name that the other replica has just given: %v", err)
		}
	}
}

func keysRevokedAtOnce(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	k := newKey("key")
	insertKeys(t, stores[0], k)
	got := make([]auth.StoredKey, 8)
	g, ctx := errgroup.WithContext(t.Context())
	for i := range got {
		g.Go(func() (err error) {
			got[i], _, err = stores[i%2].RevokeKey(ctx, k.ID, at(1+i))
			return err
		})
	}
	must(t, g.Wait())
	want := allKeys(t, stores[1])[0]
	if want.RevokedAt.Before(at(1)) || want.RevokedAt.After(at(len(got))) {
		t.Errorf("revoked at %v", want.RevokedAt)
	}
	for _, revoked := range got {
		check(t, "what a revocation gave", revoked, want)
	}
}

// keysTouchedAtOnce has replicas note uses of overlapping sets of keys, later and earlier ones mixed.
func keysTouchedAtOnce(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const keys, writers, rounds = 300, 8, 12
	want := make([]auth.StoredKey, keys)
	for i, n := range rand.Perm(keys) { // not in the order in which the table has them
		want[n] = newKey(fmt.Sprintf("key_%03d", n))
		want[n].CreatedAt = at(n)
		insertKeys(t, stores[i%2], want[n])
	}
	latest := make([][keys]time.Time, writers)
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		g.Go(func() error {
			for range rounds {
				used := map[string]time.Time{"unknown": at(0)}
				for _, n := range rand.Perm(keys)[:rand.IntN(keys)] {
					instant := at(rand.IntN(1_000_000))
					used[want[n].ID] = instant
					if instant.After(latest[w][n]) {
						latest[w][n] = instant
					}
				}
				if err := stores[w%2].TouchKeys(ctx, used); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	for n := range want {
		for w := range latest {
			if latest[w][n].After(want[n].LastUsedAt) {
				want[n].LastUsedAt = latest[w][n]
			}
		}
	}
	check(t, "keys", allKeys(t, stores[0]), want)
}

func keysTouchMany(t *testing.T, connect func() Store) {
	s := connect()
	k := newKey("key_2500")
	insertKeys(t, s, k)
	used := map[string]time.Time{}
	for i := range 5000 {
		used[fmt.Sprint("key_", i)] = at(i)
	}
	must(t, s.TouchKeys(t.Context(), used))
	k.LastUsedAt = at(2500)
	check(t, "keys", allKeys(t, s), []auth.StoredKey{k})
}

func keysContext(t *testing.T, connect func() Store) {
	s := connect()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for want, ctx := range map[error]context.Context{context.Canceled: canceled(), context.DeadlineExceeded: late} {
		_, listErr := s.Keys(ctx)
		_, _, findErr := s.KeyByHash(ctx, newKey("a").Hash)
		_, _, revokeErr := s.RevokeKey(ctx, "a", at(0))
		for what, err := range map[string]error{
			"insert": s.InsertKey(ctx, newKey("a")), "list": listErr, "find": findErr, "revoke": revokeErr,
			"touch": s.TouchKeys(ctx, map[string]time.Time{"a": at(0)}),
		} {
			if !errors.Is(err, want) || fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("%s with an ended context: %v, want %v", what, err, want)
			}
		}
	}
	check(t, "keys", allKeys(t, s), nil)
}
