package store_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/auth/authtest"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
	"github.com/coingraph/coingraph/store/storetest"
)

// database makes an empty database for a test and gives the options that lead to it.
type database func(tb testing.TB) store.Options

// databases are the kinds that tests run on. Postgres is that of TEST_DATABASE_URL, in which each test makes and drops a
// database of its own.
func databases() map[string]database {
	return map[string]database{"sqlite": newSQLite, "postgres": newPostgres}
}

func onEach(t *testing.T, test func(t *testing.T, fresh database)) {
	for name, fresh := range databases() {
		t.Run(name, func(t *testing.T) { test(t, fresh) })
	}
}

func newSQLite(tb testing.TB) store.Options { return store.Options{DataDir: tb.TempDir()} }

func newPostgres(tb testing.TB) store.Options {
	tb.Helper()
	server := serverURL(tb)
	name := fmt.Sprintf("coingraph_test_%d_%d", os.Getpid(), time.Now().UnixNano())
	admin := func(statement string) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, server.String())
		if err != nil {
			tb.Fatalf("TEST_DATABASE_URL: %v", err)
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, statement); err != nil {
			tb.Fatal(err)
		}
	}
	// A locale whose order is not that of bytes: a store that leans on the server's would show.
	admin("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C' LC_CTYPE 'C'")
	tb.Cleanup(func() { admin("DROP DATABASE " + name + " WITH (FORCE)") })
	own := *server
	own.Path = "/" + name
	q := own.Query()
	q.Set("connect_timeout", "30") // on a busy machine a database that is well may take its time
	own.RawQuery = q.Encode()
	return store.Options{DatabaseURL: own.String()}
}

// serverURL is the server for tests. Continuous integration has to have one.
func serverURL(tb testing.TB) *url.URL {
	tb.Helper()
	text := os.Getenv("TEST_DATABASE_URL")
	if text == "" && os.Getenv("CI") == "true" {
		tb.Fatal("TEST_DATABASE_URL is not set: CI has to test Postgres")
	}
	if text == "" {
		tb.Skip("TEST_DATABASE_URL is not set: not tested on Postgres")
	}
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatal("TEST_DATABASE_URL is not a URL")
	}
	return u
}

func open(tb testing.TB, o store.Options) *store.Store {
	tb.Helper()
	s, err := store.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func migrated(tb testing.TB, o store.Options) *store.Store {
	tb.Helper()
	s := open(tb, o)
	if err := s.Migrate(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// fenceable has the store's own type out of the suite's way.
type fenceable struct{ *store.Store }

func (f fenceable) Fence(l jobs.Lease) market.Store { return f.Fenced(l) }

func TestConformance(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		if t.Name() == "TestConformance/postgres" {
			serverURL(t) // skips once, not in every test
		}
		storetest.Run(t, func(t *testing.T) func() storetest.Store {
			o := fresh(t)
			migrated(t, o)
			return func() storetest.Store { return fenceable{open(t, o)} }
		})
		t.Run("KeyStore", func(t *testing.T) {
			authtest.Run(t, func(t *testing.T) func() auth.KeyStore {
				o := fresh(t)
				migrated(t, o)
				return func() auth.KeyStore { return open(t, o) }
			})
		})
	})
}
