package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/store"
)

// Set by the linker: see the Makefile.
var (
	version = "dev"
	commit  = ""
)

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	rev := commit
	if rev == "" {
		rev = "unknown"
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					rev = s.Value
				}
			}
		}
	}
	_, err := fmt.Fprintf(e.stdout, "coingraph %s (commit %s, %s, %s/%s)\n", version, rev, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func jsonLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

type serveCmd struct{}

// lastTraces is how long the end of the program waits for what takes the traces.
const lastTraces = 2 * time.Second

func (serveCmd) Run(e *env) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return err
	}
	defer keepHeadroom()()
	observed := observe(cfg, e.stdout, cfg.LogLevel)
	defer observed.sink.Close()
	log := observed.sink.Logger()
	cache.RedirectClientLog(log)
	traces, endTraces, err := openTraces(e.ctx, e.environ, log)
	if err != nil {
		return err
	}
	app, err := Open(cfg, AppOptions{Observed: observed, Traces: traces})
	if err != nil {
		return err
	}
	err = app.Serve(e.ctx)
	patience, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), lastTraces)
	defer cancel()
	endTraces(patience)
	return err
}

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply what is pending."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations and whether they are applied."`
}

type (
	migrateUpCmd     struct{}
	migrateStatusCmd struct{}
)

func openStore(e *env) (*store.Store, error) {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return nil, err
	}
	return store.Open(store.Options{DatabaseURL: cfg.DatabaseURL.Reveal(), DataDir: cfg.DataDir, Log: jsonLog(e.stderr, cfg.LogLevel)})
}

func (migrateUpCmd) Run(e *env) error {
	s, err := openStore(e)
	if err != nil {
		return err
	}
	if err := s.Migrate(e.ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return errors.Join(printMigrations(e, s), s.Close())
}

func (migrateStatusCmd) Run(e *env) error {
	s, err := openStore(e)
	if err != nil {
		return err
	}
	return errors.Join(printMigrations(e, s), s.Close())
}

func printMigrations(e *env, s *store.Store) error {
	list, err := s.Migrations(e.ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		state := "pending"
		if !m.AppliedAt.IsZero() {
			state = "applied " + m.AppliedAt.UTC().Format(time.RFC3339)
		}
		if _, err := fmt.Fprintf(e.stdout, "%s  %s\n", m.Name, state); err != nil {
			return err
		}
	}
	return nil
}

type healthCmd struct{}

func (healthCmd) Run(e *env) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.ListenAddr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(e.ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil
}

type simulateCmd struct {
	Listen string   `default:"127.0.0.1:9090" help:"Address to listen on."`
	Seed   uint64   `default:"1" help:"The same seed gives the same market."`
	Plan   string   `default:"public" enum:"public,demo,pro" help:"CoinGecko's plan to play: public, demo or pro."`
	Key    []string `help:"A key that is valid; may be given several times. None: any."`
	Limit  int      `help:"Calls a minute for each key; 0: no limit."`
	Reach  string   `default:"P0D" enum:"P0D,P1D,P30D,P6M,P1Y,P3Y" help:"How far back CryptoQuant's plan goes; P0D: all."`
}

func (c simulateCmd) Run(e *env) error {
	sim := simulator.New(simulator.Options{
		Seed: c.Seed, Now: time.Now, Plan: simulator.Plan(c.Plan), Keys: c.Key, Limit: c.Limit,
		CryptoQuant: simulator.CryptoQuant{Keys: c.Key, Limit: c.Limit, Reach: c.Reach},
	})
	listener, err := listen(e.ctx, c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, simulateText, listener.Addr())
	return serveUntil(e.ctx, newServer(sim), listener, time.Second)
}

const simulateText = `A simulated market speaks these wire formats:

  CoinGecko     http://%[1]s/api/v3
  CryptoQuant   http://%[1]s/v1
  Coin Metrics  http://%[1]s/coinmetrics/v4
  CoinPaprika   http://%[1]s/coinpaprika/v1
  Binance       http://%[1]s/binance/api/v3

Faults: POST http://%[1]s/_sim/faults   Calls: GET http://%[1]s/_sim/calls
`

type demoCmd struct {
	Listen string `default:"127.0.0.1:8080" help:"Address to listen on; if it is taken, a free port is."`
	Seed   uint64 `default:"1" help:"The same seed gives the same market."`
}

// What the demo shows its own simulator.
const (
	demoKey        = "CG-simulated-key"
	demoOnChainKey = "CQ-simulated-key"
)

func (c demoCmd) Run(e *env) error {
	dir, err := os.MkdirTemp("", "coingraph-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	simListener, err := listen(e.ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	sim := simulator.New(simulator.Options{
		Seed: c.Seed, Now: time.Now, Plan: "pro", Keys: []string{demoKey}, CryptoQuant: simulator.CryptoQuant{Keys: []string{demoOnChainKey}},
	})
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	simDone := make(chan error, 1)
	go func() { simDone <- serveUntil(ctx, newServer(sim), simListener, time.Second) }()

	listener, err := listen(e.ctx, c.Listen)
	if err != nil {
		if listener, err = listen(e.ctx, "127.0.0.1:0"); err != nil {
			return err
		}
	}
	upstream := "http://" + simListener.Addr().String()
	cfg, err := config.Load([]string{
		"LISTEN_ADDR=" + listener.Addr().String(), "DATA_DIR=" + dir, "SHUTDOWN_TIMEOUT=800ms",
		"COINGECKO_BASE_URL=" + upstream + "/api/v3", "COINGECKO_PLAN=pro", "COINGECKO_API_KEY=" + demoKey,
		"CRYPTOQUANT_BASE_URL=" + upstream + "/v1", "CRYPTOQUANT_API_KEY=" + demoOnChainKey,
	})
	if err != nil {
		return err
	}
	app, err := Open(cfg, AppOptions{Observed: observe(cfg, e.stderr, slog.LevelWarn), Listener: listener})
	if err != nil {
		return err
	}
	fmt.Fprint(e.stdout, strings.NewReplacer("ADDR", listener.Addr().String(), "SIM", simListener.Addr().String()).Replace(demoText))
	err = app.Serve(e.ctx)
	cancel()
	return errors.Join(err, <-simDone)
}

const demoText = `coingraph demo: the whole product in this process, on a simulated market. Nothing is kept.

  Charts     http://ADDR/
  Playground http://ADDR/playground
  GraphQL    http://ADDR/graphql
  REST       http://ADDR/docs   (/simple_price, /market_chart; description: /openapi.json)
  CoinGecko  http://ADDR/api/v3 (the base URL for its clients)
  Simulator  http://SIM/api/v3 (CoinGecko's wire format), http://SIM/v1 (CryptoQuant's)
  Keys       dev-public-key, dev-admin-key (in the header X-API-Key)

Try:

  curl -s http://ADDR/graphql -H 'X-API-Key: dev-public-key' -H 'Content-Type: application/json' \
    -d '{"query":"{ simplePrice(assets: [\"bitcoin\", \"ethereum\"], currencies: [USD, EUR]) { asset { id } currency price marketCap change24h } }"}'

Ctrl-C ends it.
`

func listen(ctx context.Context, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}
