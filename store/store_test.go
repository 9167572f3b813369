package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

var (
	key   = market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}
	noon  = time.Date(2026, 11, 1, 12, 0, 0, 123_000_000, time.UTC)
	point = market.Point{Stamp: noon.UnixMilli(), Price: 1.2e-07, MarketCap: math.NaN(), Volume: 0, Source: "coingecko", FetchedAt: noon.Add(time.Hour)}
	quote = market.Quote{
		Pair: market.Pair{Asset: "bitcoin", Currency: "usd"}, Price: 123456789012345.67, MarketCap: math.NaN(), Volume24h: 0, Change24h: -1.5,
		LastUpdatedAt: noon, FetchedAt: noon.Add(time.Second), Source: "coingecko",
	}
	apiKey = auth.StoredKey{ID: "key_1", Name: "web", Tier: "public", Hash: [32]byte{1}, CreatedAt: noon}
)

// connect opens the database with nothing of this package between.
func connect(t *testing.T, o store.Options, params url.Values) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", "file:"+filepath.Join(o.DataDir, "coingraph.db")
	if o.DatabaseURL != "" {
		driver, dsn = "pgx", withParams(t, o.DatabaseURL, params)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func withParams(t *testing.T, databaseURL string, params url.Values) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, values := range params {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestName(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		if got := "TestName/" + open(t, fresh(t)).Name(); got != t.Name() {
			t.Errorf("got %q", got)
		}
	})
}

func TestViews(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		s := migrated(t, o)
		if err := s.SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
			t.Fatal(err)
		}
		w := market.SeriesWrite{SeriesKey: key, Fetched: market.Fetched{Points: []market.Point{point}, FetchedAt: point.FetchedAt}}
		if err := s.SaveSeries(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		metric := market.SeriesWrite{SeriesKey: market.SeriesKey{Asset: "bitcoin", Metric: market.ExchangeNetflow, Interval: market.Hourly}, Fetched: w.Fetched}
		if err := s.SaveSeries(t.Context(), metric); err != nil {
			t.Fatal(err)
		}
		// A session elsewhere in the world sees the same instants.
		db := connect(t, o, url.Values{"timezone": {"America/New_York"}})
		for _, view := range []struct{ name, want string }{
			{"charts.v_points", "asset=bitcoin currency=usd interval=daily ts=2026-11-01T12:00:00.123Z price=1.2e-07 market_cap=NULL volume=0 " +
				"source=coingecko fetched_at=2026-11-01T13:00:00.123Z"},
			{"onchain.v_points", "asset=bitcoin metric=exchange_netflow interval=hourly ts=2026-11-01T12:00:00.123Z value=1.2e-07 " +
				"source=coingecko fetched_at=2026-11-01T13:00:00.123Z"},
			{"prices.v_latest", "asset=bitcoin currency=usd price=1.2345678901234567e+14 market_cap=NULL volume_24h=0 change_24h=-1.5 " +
				"last_updated_at=2026-11-01T12:00:00.123Z source=coingecko fetched_at=2026-11-01T12:00:01.123Z"},
		} {
			name := view.name
			if s.Name() == "sqlite" {
				name = strings.Replace(name, ".", "_", 1)
			}
			if got := onlyRow(t, db, "SELECT * FROM "+name); got != view.want {
				t.Errorf("%s:\n got %s\nwant %s", name, got, view.want)
			}
		}
	})
}

// TestTail looks at the table, because nothing reads the "now" points yet.
func TestTail(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		s := migrated(t, o)
		for i, c := range []struct {
			fetched time.Duration
			want    string
		}{{5 * time.Second, "0"}, {4 * time.Second, "0"}, {5 * time.Second, "0"}, {6 * time.Second, "3"}} {
			tail := point
			tail.Price, tail.FetchedAt = float64(i), noon.Add(c.fetched)
			if err := s.SaveSeries(t.Context(), market.SeriesWrite{SeriesKey: key, Fetched: market.Fetched{Tail: &tail, FetchedAt: tail.FetchedAt}}); err != nil {
				t.Fatal(err)
			}
			table := map[string]string{"postgres": "charts.tails", "sqlite": "charts_tails"}[s.Name()]
			if got := onlyRow(t, connect(t, o, nil), "SELECT price FROM "+table); got != "price="+c.want {
				t.Errorf("write %d: %s, want price=%s", i, got, c.want)
			}
		}
	})
}

// onlyRow is a result of one row as text.
func onlyRow(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values, dest := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		var row []string
		for i, v := range values {
			var text string
			switch v := v.(type) {
			case nil:
				text = "NULL"
			case time.Time:
				text = v.UTC().Format(time.RFC3339Nano)
			default:
				text = fmt.Sprint(v)
			}
			row = append(row, names[i]+"="+text)
		}
		out = append(out, strings.Join(row, " "))
	}
	if err := rows.Err(); err != nil || len(out) != 1 {
		t.Fatalf("%s: %d rows, %v", query, len(out), err)
	}
	return out[0]
}

func TestMigrate(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		var log bytes.Buffer
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		s := open(t, o)
		ctx := t.Context()

		if _, err := s.Quotes(ctx, []market.Pair{quote.Pair}); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("a read before migration: %v", err)
		}
		if err := s.Append(ctx, []audit.Entry{{}}); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("a write before migration: %v", err)
		}
		if err := s.InsertKey(ctx, apiKey); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("a key before migration: %v", err)
		}
		steps, err := s.Migrations(ctx)
		if err != nil || len(steps) == 0 || steps[0] != (store.Migration{Name: "0001_init"}) {
			t.Errorf("before migration: %+v, %v", steps, err)
		}
		start := time.Now().Truncate(time.Second)
		for range 2 {
			if err := s.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			steps, err = s.Migrations(ctx)
			if err != nil || len(steps) == 0 {
				t.Fatalf("after migration: %v, %v", steps, err)
			}
			for i, step := range steps {
				if step.AppliedAt.Before(start) || step.AppliedAt.After(time.Now().Add(time.Second)) || step.AppliedAt.Location() != time.UTC || step.Unknown {
					t.Errorf("step %d: %+v", i, step)
				}
			}
		}
		if steps[0].Name != "0001_init" {
			t.Errorf("the first step is %q", steps[0].Name)
		}
		if got := strings.Count(log.String(), "migration applied"); got != len(steps) {
			t.Errorf("%d lines in the log for %d steps:\n%s", got, len(steps), &log)
		}

		// What a newer version applied is kept, told and served.
		table := map[string]string{"postgres": "ops.migrations", "sqlite": "ops_migrations"}[s.Name()]
		if _, err := connect(t, o, nil).Exec("INSERT INTO " + table + " (name, group_id) VALUES ('9999', 9)"); err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(ctx); err != nil {
			t.Fatalf("on a newer schema: %v", err)
		}
		steps, err = s.Migrations(ctx)
		if err != nil || !steps[len(steps)-1].Unknown || steps[len(steps)-1].Name != "9999" || !strings.Contains(log.String(), "newer than this program") {
			t.Errorf("on a newer schema: %+v, %v\n%s", steps, err, &log)
		}
		if err := s.SaveQuotes(ctx, []market.Quote{quote}); err != nil {
			t.Errorf("on a newer schema: %v", err)
		}
	})
}

// TestMigrateFromFirst has a database of the first version, whose data stays.
func TestMigrateFromFirst(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		s := migrated(t, o)
		if err := s.SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
			t.Fatal(err)
		}
		undo := map[string]string{
			"postgres": "DROP SCHEMA access CASCADE; DROP SCHEMA onchain CASCADE; DROP TABLE ops.upstream_quota, ops.upstream_calls, ops.quarantine; DELETE FROM ops.migrations WHERE name > '0001'",
			"sqlite": "DROP VIEW onchain_v_points; DROP TABLE onchain_series; DROP TABLE onchain_points; DROP TABLE onchain_coverage; DROP TABLE access_api_keys; " +
				"DROP TABLE ops_upstream_quota; DROP TABLE ops_upstream_calls; DROP TABLE ops_quarantine; DELETE FROM ops_migrations WHERE name > '0001'",
		}[s.Name()]
		if _, err := connect(t, o, nil).Exec(undo); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.KeyByHash(t.Context(), apiKey.Hash); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("looking a key up before the second step: %v", err)
		}
		if err := s.InsertKey(t.Context(), apiKey); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("inserting a key before the second step: %v", err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.InsertKey(t.Context(), apiKey); err != nil {
			t.Errorf("after it: %v", err)
		}
		if got, err := s.Quotes(t.Context(), []market.Pair{quote.Pair}); err != nil || len(got) != 1 {
			t.Errorf("quotes: %v, %v", got, err)
		}
	})
}

func TestMigrateManyAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		var g errgroup.Group
		for range 6 {
			s := open(t, o)
			g.Go(func() error { return s.Migrate(context.Background()) })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := open(t, o).SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
			t.Error(err)
		}
	})
}

// migrateProcess makes the test binary a process that migrates: the options it takes from the environment.
const migrateProcess = "COINGRAPH_TEST_MIGRATE"

func TestMain(m *testing.M) {
	if os.Getenv(migrateProcess) == "" {
		os.Exit(m.Run())
	}
	s, err := store.Open(store.Options{DatabaseURL: os.Getenv("DATABASE_URL"), DataDir: os.Getenv("DATA_DIR")})
	if err == nil {
		err = s.Migrate(context.Background())
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func TestMigrateFromProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		start := func() *exec.Cmd {
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), migrateProcess+"=1", "DATABASE_URL="+o.DatabaseURL, "DATA_DIR="+o.DataDir)
			cmd.Stderr = new(bytes.Buffer)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			return cmd
		}
		// One is killed wherever it is by then. It must not keep the others from doing the work.
		victim := start()
		others := []*exec.Cmd{start(), start(), start()}
		if err := victim.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = victim.Wait()
		for _, cmd := range others {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, cmd.Stderr)
			}
		}
		if err := open(t, o).SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	const password = "s3cret-pw"
	for _, databaseURL := range []string{
		"mysql://u:" + password + "@localhost/db",
		"postgres://u:" + password + "@localhost:port/db",
		"postgres://u:" + password + "%zz@localhost/db",
		"postgres://u:" + password + "@localhost/db?sslmode=maybe",
		"postgres://u:" + password + " @local host/db?pool_max_conns=x",
		"postgres://u@localhost/db?password=" + password + "&pool_max_conns=many",
		"host=localhost password=" + password,
		password + "://\x00",
	} {
		s, err := store.Open(store.Options{DatabaseURL: databaseURL})
		if err == nil {
			_ = s.Close()
			t.Errorf("%q was taken", databaseURL)
			continue
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), password) {
				t.Errorf("the password is in %q", e)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", filepath.Join(file, "data")} {
		if _, err := store.Open(store.Options{DataDir: dir}); err == nil {
			t.Errorf("data directory %q was taken", dir)
		}
	}
}

// TestPostgresWithoutRights: what serves may be a role that can neither create schemas nor tables.
func TestPostgresWithoutRights(t *testing.T) {
	o := newPostgres(t)
	migrated(t, o)
	role := fmt.Sprintf("coingraph_test_%d", time.Now().UnixNano())
	db := connect(t, o, nil)
	if _, err := db.Exec("CREATE ROLE " + role + " LOGIN"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP OWNED BY " + role + "; DROP ROLE " + role); err != nil {
			t.Error(err)
		}
	})
	for _, schema := range []string{"catalog", "prices", "charts", "ops", "access"} {
		for _, grant := range []string{"USAGE ON SCHEMA " + schema, "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema} {
			if _, err := db.Exec("GRANT " + grant + " TO " + role); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := migrated(t, store.Options{DatabaseURL: withParams(t, o.DatabaseURL, url.Values{"user": {role}})})
	w := market.SeriesWrite{SeriesKey: key, Fetched: market.Fetched{Points: []market.Point{point}, Tail: &point, FetchedAt: point.FetchedAt}}
	_, _, revokeErr := s.RevokeKey(t.Context(), apiKey.ID, noon)
	for what, err := range map[string]error{
		"quotes": s.SaveQuotes(t.Context(), []market.Quote{quote}), "series": s.SaveSeries(t.Context(), w),
		"catalogue": s.SaveCatalogue(t.Context(), []market.Asset{{ID: "bitcoin"}}, noon), "log": s.Append(t.Context(), []audit.Entry{{}}),
		"insert key": s.InsertKey(t.Context(), apiKey), "touch key": s.TouchKeys(t.Context(), map[string]time.Time{apiKey.ID: noon}), "revoke key": revokeErr,
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDataDirWithOddName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a ?b#c%41&mode=ro", "new")
	s := migrated(t, store.Options{DataDir: dir})
	if err := s.SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "coingraph.db")); err != nil {
		t.Error(err)
	}
}

func TestReopen(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		first := migrated(t, o)
		if err := first.SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for what, err := range map[string]error{
			"ping": first.Ping(t.Context()), "save": first.SaveQuotes(t.Context(), []market.Quote{quote}),
			"append": first.Append(t.Context(), []audit.Entry{{}}), "migrate": first.Migrate(t.Context()), "insert key": first.InsertKey(t.Context(), apiKey),
		} {
			if !fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("%s after Close: %v", what, err)
			}
		}
		got, err := migrated(t, o).Quotes(t.Context(), []market.Pair{quote.Pair})
		if err != nil || len(got) != 1 || got[0].Price != quote.Price {
			t.Errorf("reopened: %v, %v", got, err)
		}
	})
}

// TestSQLiteUnavailable has a file that is no database, and one that another process holds.
func TestSQLiteUnavailable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "coingraph.db"), bytes.Repeat([]byte("no database "), 500), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, store.Options{DataDir: dir})
	if err := s.Migrate(t.Context()); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("migrate: %v", err)
	}
	if _, err := s.Quotes(t.Context(), []market.Pair{quote.Pair}); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("read: %v", err)
	}
	held := newSQLite(t)
	s = migrated(t, held)
	other := connect(t, held, nil)
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = s.SaveQuotes(ctx, []market.Quote{quote})
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
		t.Errorf("a write while another process holds the file: %v after %v", err, took)
	}
	if _, err := s.Quotes(t.Context(), []market.Pair{quote.Pair}); err != nil {
		t.Errorf("a read while another process writes: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
		t.Errorf("a write after that: %v", err)
	}
}

// TestPostgresDownThenUp opens a store before its server is there, and loses the server later.
func TestPostgresDownThenUp(t *testing.T) {
	o := newPostgres(t)
	server, err := url.Parse(o.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	gate := newGate(t, server.Host)
	q := server.Query()
	q.Del("connect_timeout") // the store's own is under test
	server.Host, server.RawQuery = gate.addr, q.Encode()
	s := open(t, store.Options{DatabaseURL: server.String()})

	down := func(when string) {
		t.Helper()
		start := time.Now()
		for what, err := range map[string]error{"ping": s.Ping(t.Context()), "save": s.SaveQuotes(t.Context(), []market.Quote{quote}), "migrate": s.Migrate(t.Context())} {
			if !fault.Is(err, fault.StoreUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %s: %v", when, what, err)
			}
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: three calls took %v", when, took)
		}
	}
	down("refused")
	gate.set(silent)
	down("silent")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("silent, and the caller in a hurry: %v", err)
	}
	gate.set(through)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatalf("up: %v", err)
	}
	if err := s.SaveQuotes(t.Context(), []market.Quote{quote}); err != nil {
		t.Fatalf("up: %v", err)
	}
	gate.set(refused)
	down("lost")
	gate.set(through)
	if got, err := s.Quotes(t.Context(), []market.Pair{quote.Pair}); err != nil || len(got) != 1 {
		t.Errorf("up again: %v, %v", got, err)
	}
}

// TestPostgresRefusals are states of a server that other programs bring about.
func TestPostgresRefusals(t *testing.T) {
	o := newPostgres(t)
	migrated(t, o)
	for _, c := range []struct {
		name   string
		params url.Values
		lock   string
	}{
		{"read-only", url.Values{"default_transaction_read_only": {"on"}}, "SELECT"},
		{"statement timeout", url.Values{"statement_timeout": {"100"}}, "LOCK prices.latest"},
		{"lock timeout", url.Values{"lock_timeout": {"100"}}, "LOCK prices.latest"},
		{"no such role", url.Values{"user": {"nobody_here"}}, "SELECT"},
		{"no such database", url.Values{"dbname": {"nothing_here"}}, "SELECT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tx, err := connect(t, o, nil).Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.Exec(c.lock); err != nil {
				t.Fatal(err)
			}
			s := open(t, store.Options{DatabaseURL: withParams(t, o.DatabaseURL, c.params)})
			if err := s.SaveQuotes(t.Context(), []market.Quote{quote}); !fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestPostgresStopsAbandonedStatements: nobody waits for an answer to a call that ended, so nor may the server.
func TestPostgresStopsAbandonedStatements(t *testing.T) {
	o := newPostgres(t)
	s := migrated(t, o)
	db := connect(t, o, nil)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("LOCK prices.latest"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Quotes(ctx, []market.Pair{quote.Pair}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	waiting := -1
	for deadline := time.Now().Add(5 * time.Second); waiting != 0 && time.Now().Before(deadline); {
		err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'coingraph' AND state = 'active'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if waiting != 0 {
		t.Errorf("%d statements still wait", waiting)
	}
}

// TestPostgresOtherModes is for poolers that cannot keep prepared statements.
func TestPostgresOtherModes(t *testing.T) {
	o := newPostgres(t)
	migrated(t, o)
	for _, mode := range []string{"exec", "simple_protocol", "describe_exec", "cache_describe"} {
		s := open(t, store.Options{DatabaseURL: withParams(t, o.DatabaseURL, url.Values{"default_query_exec_mode": {mode}})})
		q := quote
		q.Asset = mode
		if err := s.SaveQuotes(t.Context(), []market.Quote{q}); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		got, err := s.Quotes(t.Context(), []market.Pair{q.Pair})
		if err != nil || len(got) != 1 || got[0].Price != q.Price || got[0].MarketCap == got[0].MarketCap {
			t.Errorf("%s: %v, %v", mode, got, err)
		}
		k := apiKey
		k.ID, k.Name, k.Hash = mode, mode, sha256.Sum256([]byte(mode))
		if err := s.InsertKey(t.Context(), k); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if err := s.TouchKeys(t.Context(), map[string]time.Time{k.ID: noon}); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		k.LastUsedAt, k.RevokedAt = noon, noon
		if got, _, err := s.RevokeKey(t.Context(), k.ID, noon); err != nil || got != k {
			t.Errorf("%s: %+v, %v", mode, got, err)
		}
	}
}

// gate is a door before a server.
type gate struct {
	addr  string
	state chan gateState
}

type gateState int

const (
	refused gateState = iota // the connection is reset
	silent                   // nobody answers
	through
)

// newGate opens a gate that refuses. Setting it resets all connections.
func newGate(t *testing.T, server string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{addr: l.Addr().String(), state: make(chan gateState)}
	accepted := make(chan net.Conn)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		close(done)
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case accepted <- c:
			case <-done:
				_ = c.Close()
			}
		}
	}()
	go func() {
		var open []net.Conn
		closeAll := func() {
			for _, c := range open {
				_ = c.Close()
			}
			open = nil
		}
		defer closeAll()
		now := refused
		for {
			select {
			case now = <-g.state:
				closeAll()
			case c := <-accepted:
				open = append(open, c)
				switch now {
				case refused:
					closeAll()
				case through:
					upstream, err := net.Dial("tcp", server)
					if err != nil {
						closeAll()
						continue
					}
					open = append(open, upstream)
					go func() { _, _ = io.Copy(upstream, c); _ = upstream.Close() }()
					go func() { _, _ = io.Copy(c, upstream); _ = c.Close() }()
				}
			case <-done:
				return
			}
		}
	}()
	return g
}

func (g *gate) set(s gateState) { g.state <- s }
