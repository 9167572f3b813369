package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/auth/authtest"
	"github.com/coingraph/coingraph/fault"
)

// promised is how soon a revocation holds everywhere.
const promised = 5 * time.Second

func operator(t *testing.T) context.Context { return auth.WithActor(t.Context(), auth.Operator()) }

func newRegistry(store auth.KeyStore) *auth.Registry {
	return auth.NewRegistry(auth.RegistryOptions{
		Configured: auth.NewKeys([]auth.Key{{Name: "web", Tier: "public", Secret: "secret-of-the-frontend"}}),
		Store:      store, Tiers: []string{"public", "standard", "admin"},
	})
}

// counting is a store in memory that counts its look-ups.
func counting() (*authtest.Store, *atomic.Int64) {
	store, n := authtest.Memory(), new(atomic.Int64)
	byHash := store.KeyByHashFn
	store.KeyByHashFn = func(ctx context.Context, hash [sha256.Size]byte) (auth.StoredKey, bool, error) {
		n.Add(1)
		return byHash(ctx, hash)
	}
	return store, n
}

func create(t *testing.T, r *auth.Registry, name, tier string, expires time.Time) (auth.StoredKey, string) {
	t.Helper()
	key, secret, err := r.Create(operator(t), name, tier, expires)
	if err != nil {
		t.Fatal(err)
	}
	return key, secret
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := authtest.Memory()
		r := auth.NewRegistry(auth.RegistryOptions{Store: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
		expires := time.Now().Add(time.Hour)
		key, secret := create(t, r, "phone", "standard", expires)
		want := auth.StoredKey{
			ID: key.ID, Name: "phone", Tier: "standard", Hash: sha256.Sum256([]byte(secret)), CreatedAt: time.Now().UTC(), ExpiresAt: expires.UTC(),
		}
		stored, err := r.Keys(operator(t))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff([]auth.StoredKey{want}, stored); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff(want, key); diff != "" {
			t.Errorf("created (-want +got):\n%s", diff)
		}
		actor, err := r.Authenticate(t.Context(), secret)
		if actor != (auth.Actor{ID: key.ID, Tier: "standard", Role: auth.User, Name: "phone"}) || err != nil {
			t.Errorf("the key names %+v, %v", actor, err)
		}
		_, secret = create(t, r, "ops", "admin", time.Time{})
		if actor, err := r.Authenticate(t.Context(), secret); actor.Role != auth.Admin || err != nil {
			t.Errorf("a key of tier admin names %+v, %v", actor, err)
		}
		if text := log.String(); strings.Contains(text, secret) || !strings.Contains(text, key.ID) {
			t.Errorf("the log:\n%s", text)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	r := newRegistry(authtest.Memory())
	create(t, r, "taken", "public", time.Time{})
	past, far := time.Now(), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, tier string
		expires    time.Time
		fields     []string
	}{
		{"", "", past, []string{"name", "tier", "expiresAt"}},
		{"web", "public", time.Time{}, []string{"name"}}, // of the configuration
		{"taken", "public", time.Time{}, []string{"name"}},
		{"a b", "public", time.Time{}, []string{"name"}},
		{"a:b", "public", time.Time{}, []string{"name"}},
		{"a{b}", "public", time.Time{}, []string{"name"}},
		{"a\x00", "public", time.Time{}, []string{"name"}},
		{"name\n", "public", time.Time{}, []string{"name"}},
		{strings.Repeat("x", 65), "public", time.Time{}, []string{"name"}},
		{"x", "Admin", time.Time{}, []string{"tier"}},
		{"x", "admin ", time.Time{}, []string{"tier"}},
		{"x", "premium", time.Time{}, []string{"tier"}},
		{"x", "public", far, []string{"expiresAt"}},
	} {
		_, secret, err := r.Create(operator(t), c.name, c.tier, c.expires)
		var fields []string
		if f := fault.Of(err); f != nil {
			for _, field := range f.Fields {
				fields = append(fields, field.Field)
			}
		}
		if !fault.Is(err, fault.BadInput) || !slices.Equal(fields, c.fields) || secret != "" {
			t.Errorf("%q %q %s: %v, want the fields %q", c.name, c.tier, c.expires, err, c.fields)
		}
	}
	if keys, err := r.Keys(operator(t)); len(keys) != 1 || err != nil {
		t.Errorf("%d keys are stored, %v", len(keys), err)
	}
}

func TestOnlyAdminsManageKeys(t *testing.T) {
	r := newRegistry(authtest.Memory())
	key, _ := create(t, r, "phone", "public", time.Time{})
	for _, c := range []struct {
		name string
		ctx  context.Context
		want fault.Kind
	}{
		{"nobody", t.Context(), fault.Unauthenticated},
		{"a user", auth.WithActor(t.Context(), auth.Actor{ID: "web", Tier: "admin", Role: auth.User}), fault.Forbidden},
	} {
		_, _, err := r.Create(c.ctx, "x", "admin", time.Time{})
		wantKind(t, err, c.want)
		_, err = r.Keys(c.ctx)
		wantKind(t, err, c.want)
		_, err = r.Revoke(c.ctx, key.ID)
		wantKind(t, err, c.want)
	}
	keys, err := r.Keys(operator(t))
	if diff := gocmp.Diff([]auth.StoredKey{key}, keys); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestA10 revokes a key that is in use all the time on two replicas.
func TestA10(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := authtest.Memory()
		replicas := []*auth.Registry{newRegistry(store), newRegistry(store)}
		key, secret := create(t, replicas[0], "phone", "public", time.Time{})
		use := func() (valid [2]bool) {
			for i, r := range replicas {
				_, err := r.Authenticate(t.Context(), secret)
				if valid[i] = err == nil; !valid[i] {
					wantKind(t, err, fault.Unauthenticated)
				}
			}
			return valid
		}
		for range 700 { // ends at no multiple of what anything is remembered for
			if use() != [2]bool{true, true} {
				t.Fatal("a valid key was refused")
			}
			<-time.After(10 * time.Millisecond)
		}
		revoked, err := replicas[0].Revoke(operator(t), key.ID)
		if err != nil || revoked.RevokedAt.IsZero() || revoked.ID != key.ID {
			t.Fatalf("revoked: %+v %v", revoked, err)
		}
		if use()[0] {
			t.Error("where it was revoked the key is still valid")
		}
		since := time.Now()
		for use()[1] {
			<-time.After(10 * time.Millisecond)
		}
		if after := time.Since(since); after >= promised {
			t.Errorf("the other replica let it in for %s", after)
		}
		again, err := replicas[1].Revoke(operator(t), key.ID)
		if diff := gocmp.Diff(revoked, again); diff != "" || err != nil {
			t.Errorf("revoked again: %v (-first +again):\n%s", err, diff)
		}
	})
}

func TestRevokeUnknown(t *testing.T) {
	store := authtest.Memory()
	r := newRegistry(store)
	_, err := r.Revoke(operator(t), "key_0123456789abcdef")
	wantKind(t, err, fault.NotFound)
	store.RevokeKeyFn = nil // what is no id does not get there
	for _, id := range []string{"", "web", "key_", "key_0123456789abcde\x00", "key_0123456789ABCDEF", strings.Repeat("x", 1000)} {
		_, err := r.Revoke(operator(t), id)
		wantKind(t, err, fault.NotFound)
	}
}

func TestExpiryHoldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, lookups := counting()
		r := newRegistry(store)
		_, secret := create(t, r, "phone", "public", time.Now().Add(time.Second))
		for _, c := range []struct {
			wait  time.Duration
			valid bool
		}{{0, true}, {time.Second - time.Millisecond, true}, {time.Millisecond, false}, {time.Minute, false}} {
			<-time.After(c.wait)
			if _, err := r.Authenticate(t.Context(), secret); (err == nil) != c.valid || err != nil && !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("after %s: %v, want valid %v", c.wait, err, c.valid)
			}
		}
		if n := lookups.Load(); n != 2 {
			t.Errorf("%d look-ups, want one, and one after the minute", n)
		}
	})
}

// TestA2 shows keys that are wrong: none but those that could be right cost a look-up, and those one in a while.
func TestA2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, lookups := counting()
		r := newRegistry(store)
		_, secret := create(t, r, "phone", "public", time.Time{})
		for _, wrong := range []string{
			"", " ", "web", "secret-of-the-frontend ", "Secret-of-the-frontend", secret + "x", secret + " ", " " + secret,
			strings.ToUpper(secret), secret[:len(secret)-1], secret[3:], "key_0123456789abcdef", strings.Repeat("x", 1<<20), "\x00",
		} {
			actor, err := r.Authenticate(t.Context(), wrong)
			wantKind(t, err, fault.Unauthenticated)
			if actor != (auth.Actor{}) || fault.Of(err).Safe() != fault.Unauthenticated.Message() {
				t.Errorf("%.40q: %+v, %s", wrong, actor, fault.Of(err).Safe())
			}
		}
		if n := lookups.Load(); n != 0 {
			t.Errorf("%d look-ups for what is no secret", n)
		}
		wrong := auth.NewSecret()
		for range 100 {
			_, err := r.Authenticate(t.Context(), wrong)
			wantKind(t, err, fault.Unauthenticated)
			if strings.Contains(err.Error(), wrong) {
				t.Fatal("the error holds the secret")
			}
		}
		if n := lookups.Load(); n != 1 {
			t.Errorf("%d look-ups for one wrong secret", n)
		}
	})
}

func TestConfiguredKeysNeedNoStore(t *testing.T) {
	r := newRegistry(&authtest.Store{}) // any call panics
	actor, err := r.Authenticate(t.Context(), "secret-of-the-frontend")
	if actor != (auth.Actor{ID: "web", Tier: "public", Role: auth.User, Name: "web"}) || err != nil {
		t.Errorf("%+v %v", actor, err)
	}
	_, err = r.Authenticate(t.Context(), auth.NewSecret())
	wantKind(t, err, fault.Internal) // and the program lives
}

func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := authtest.Memory()
		r := newRegistry(store)
		_, secret := create(t, r, "phone", "public", time.Time{})
		if _, err := r.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		up := store.KeyByHashFn
		store.KeyByHashFn = func(context.Context, [sha256.Size]byte) (auth.StoredKey, bool, error) {
			return auth.StoredKey{}, false, fault.Wrap(fault.StoreUnavailable, errors.New("connection refused"))
		}
		<-time.After(3 * time.Second)
		if _, err := r.Authenticate(t.Context(), secret); err != nil {
			t.Errorf("what is remembered does not do: %v", err)
		}
		<-time.After(2 * time.Second)
		for _, s := range []string{secret, auth.NewSecret()} {
			_, err := r.Authenticate(t.Context(), s)
			wantKind(t, err, fault.StoreUnavailable)
		}

		// A store that hangs is given up, and nobody waits longer than he would.
		store.KeyByHashFn = func(ctx context.Context, _ [sha256.Size]byte) (auth.StoredKey, bool, error) {
			<-ctx.Done()
			return auth.StoredKey{}, false, ctx.Err()
		}
		start := time.Now()
		_, err := r.Authenticate(t.Context(), secret)
		wantKind(t, err, fault.StoreUnavailable)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("it hung for %s", took)
		}
		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = r.Authenticate(ctx, secret)
		wantKind(t, err, fault.StoreUnavailable)
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("it hung for %s", took)
		}
		synctest.Wait()
		<-time.After(3 * time.Second)

		store.KeyByHashFn = up
		if _, err := r.Authenticate(t.Context(), secret); err != nil {
			t.Errorf("the store is back: %v", err)
		}
	})
}

// TestSingleFlight has many show a key at once, the first of whom goes away.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, lookups := counting()
		r := newRegistry(store)
		_, secret := create(t, r, "phone", "public", time.Time{})
		inner, release := store.KeyByHashFn, make(chan struct{})
		store.KeyByHashFn = func(ctx context.Context, hash [sha256.Size]byte) (auth.StoredKey, bool, error) {
			<-release
			return inner(ctx, hash)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := r.Authenticate(ctx, secret)
			gone <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		var valid atomic.Int64
		for range 50 {
			wg.Go(func() {
				if _, err := r.Authenticate(t.Context(), secret); err == nil {
					valid.Add(1)
				}
			})
		}
		synctest.Wait()
		cancel()
		wantKind(t, <-gone, fault.StoreUnavailable)
		close(release)
		wg.Wait()
		if valid.Load() != 50 || lookups.Load() != 1 {
			t.Errorf("%d of 50 were let in, with %d look-ups", valid.Load(), lookups.Load())
		}
	})
}

// TestWrongKeysPushOutNoRightOne floods the registry with secrets that could be right.
func TestWrongKeysPushOutNoRightOne(t *testing.T) {
	now := time.Now() // stands still
	store, lookups := counting()
	r := auth.NewRegistry(auth.RegistryOptions{Store: store, Now: func() time.Time { return now }})
	_, secret := create(t, r, "phone", "public", time.Time{})
	if _, err := r.Authenticate(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		_, err := r.Authenticate(t.Context(), auth.NewSecret())
		wantKind(t, err, fault.Unauthenticated)
	}
	before := lookups.Load()
	if _, err := r.Authenticate(t.Context(), secret); err != nil || lookups.Load() != before {
		t.Errorf("%d more look-ups, %v", lookups.Load()-before, err)
	}
}

func TestLastUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := authtest.Memory()
		type call struct {
			at   time.Duration
			keys int
		}
		var calls []call
		start, inner, fail := time.Now(), store.TouchKeysFn, false
		store.TouchKeysFn = func(ctx context.Context, used map[string]time.Time) error {
			calls = append(calls, call{time.Since(start), len(used)})
			if fail {
				return fault.Wrap(fault.StoreUnavailable, nil)
			}
			return inner(ctx, used)
		}
		r := newRegistry(store)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		phone, phoneSecret := create(t, r, "phone", "public", time.Time{})
		create(t, r, "idle", "public", time.Time{})
		lastUsed := func() time.Duration {
			t.Helper()
			keys, err := r.Keys(operator(t))
			if err != nil || !keys[slices.IndexFunc(keys, func(k auth.StoredKey) bool { return k.Name == "idle" })].LastUsedAt.IsZero() {
				t.Fatalf("%+v %v", keys, err)
			}
			return keys[slices.IndexFunc(keys, func(k auth.StoredKey) bool { return k.ID == phone.ID })].LastUsedAt.Sub(start)
		}
		use := func(seconds int) {
			for range seconds {
				if _, err := r.Authenticate(t.Context(), phoneSecret); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
			}
			synctest.Wait()
		}
		<-time.After(5 * time.Second)
		use(131) // noted at 5, 65 and 125 s, stored at the next multiple of 10 s
		if want := []call{{10 * time.Second, 1}, {70 * time.Second, 1}, {130 * time.Second, 1}}; !slices.Equal(calls, want) {
			t.Errorf("stored %v, want %v", calls, want)
		}
		if got := lastUsed(); got != 125*time.Second {
			t.Errorf("last used after %s", got)
		}

		calls, fail = nil, true
		use(65) // noted at 185 s, tried at 190 s
		if len(calls) == 0 || lastUsed() != 125*time.Second {
			t.Errorf("tried %v, last used after %s", calls, lastUsed())
		}
		fail = false
		stop()
		<-done
		if got := lastUsed(); got != 185*time.Second {
			t.Errorf("at the end: last used after %s", got)
		}
	})
}

// TestUsesDuringAFlush has a key used while the last uses of others fail to be stored: nothing is lost.
func TestUsesDuringAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := authtest.Memory()
		r := newRegistry(store)
		_, early := create(t, r, "early", "public", time.Time{})
		_, late := create(t, r, "late", "public", time.Time{})
		use := func(secret string) {
			if _, err := r.Authenticate(t.Context(), secret); err != nil {
				t.Error(err)
			}
		}
		inner := store.TouchKeysFn
		store.TouchKeysFn = func(context.Context, map[string]time.Time) error {
			store.TouchKeysFn = inner
			use(late)
			return fault.Wrap(fault.StoreUnavailable, nil)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go r.Run(ctx)
		use(early)
		<-time.After(time.Minute)
		keys, err := r.Keys(operator(t))
		if err != nil || len(keys) != 2 {
			t.Fatal(keys, err)
		}
		for _, k := range keys {
			if k.LastUsedAt.IsZero() {
				t.Errorf("the use of %s was lost", k.Name)
			}
		}
	})
}
