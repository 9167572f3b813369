// Command coingraph is a market-data gateway: the server, its demo, its simulator and its tools in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/coingraph/coingraph/config"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1
	exitBadUsage = 2 // the command line or the configuration
)

func main() {
	time.Local = time.UTC // no answer depends on where the process runs
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks the program to stop; after it the default comes back, so that a second one ends it at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// env is what the commands get from outside.
type env struct {
	ctx            context.Context
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

type cli struct {
	Demo     demoCmd     `cmd:"" help:"Run the whole product with nothing installed and no network: a simulated market, throw-away storage, development keys."`
	Serve    serveCmd    `cmd:"" help:"Run the API server. Configured by environment variables: see docs/configuration.md."`
	Simulate simulateCmd `cmd:"" help:"Run only the simulated market, which speaks CoinGecko's wire format."`
	Refresh  refreshCmd  `cmd:"" help:"Run the daily refresh now."`
	Backfill backfillCmd `cmd:"" help:"Fill the history of assets. Killed at any moment and started again, it buys only what is missing."`
	Gaps     gapsCmd     `cmd:"" help:"List the holes of the stored history."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database's schema up to date, or tell how it stands."`
	Import   importCmd   `cmd:"" help:"Store history from a file: CSV, NDJSON or CoinGecko's JSON."`
	Export   exportCmd   `cmd:"" help:"Write stored history as CSV or NDJSON."`
	Keys     keysCmd     `cmd:"" help:"API keys of the database."`
	Token    tokenCmd    `cmd:"" help:"Mint a JWT with the configured secret."`
	Logs     logsCmd     `cmd:"" help:"Read the log of a running server, of all its replicas; --follow goes on with what comes."`
	Health   healthCmd   `cmd:"" help:"Ask a running server whether it is alive; exit code 1 if not. For container health checks."`
	Version  versionCmd  `cmd:"" help:"Print version, commit and Go version."`
}

// run is the program without the process around it.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	code := -1
	var c cli
	parser, err := kong.New(&c,
		kong.Name("coingraph"),
		kong.Description("A self-hosted crypto market-data gateway."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(status int) { code = status }),
	)
	if err != nil {
		panic(err) // the commands are declared wrongly
	}
	parsed, err := parser.Parse(args)
	if code >= 0 {
		return code // help was asked for and printed
	}
	if err != nil {
		fmt.Fprintf(stderr, "coingraph: %v\nTry coingraph --help.\n", err)
		return exitBadUsage
	}
	err = parsed.Run(&env{ctx, environ, os.Stdin, stdout, stderr})
	var bad *config.Error
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &bad):
		fmt.Fprintln(stderr, bad.Error())
		return exitBadUsage
	}
	fmt.Fprintf(stderr, "coingraph: %v\n", err)
	if errors.As(err, &usage) {
		return exitBadUsage
	}
	return exitFailed
}
