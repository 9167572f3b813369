package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fetch/coingecko"
	"github.com/coingraph/coingraph/history"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

// maxBody is the longest CoinGecko body that is imported: it is read whole. A hundred thousand points take some 10 MiB.
const maxBody = 64 << 20

type importCmd struct {
	File     string `default:"-" help:"File to read; - is the standard input."`
	Format   string `default:"csv" enum:"csv,ndjson,coingecko" help:"csv, ndjson, or coingecko: a body of /coins/{id}/market_chart."`
	Asset    string `help:"CoinGecko's asset id, where the rows do not name one."`
	Currency string `help:"The currency of charts, where the rows do not name one."`
	Metric   string `help:"The on-chain metric, where it is one and the rows do not name it."`
	Interval string `default:"daily" enum:"daily,hourly,5m" help:"daily, hourly or 5m, where the rows do not name one."`
	Source   string `default:"import" help:"Whom the rows are from, where they do not say."`
}

// key is the series that the flags name, as far as they do.
func (c *importCmd) key() (market.SeriesKey, error) {
	key := market.SeriesKey{Asset: c.Asset}
	var ok bool
	key.Interval, _ = market.IntervalNamed(c.Interval)
	switch {
	case c.Currency != "" && c.Metric != "":
		return key, badFlag("a series has a currency or a metric, not both")
	case c.Asset != "" && !market.ValidAssetID(c.Asset):
		return key, badFlag("--asset: " + market.AssetIDMessage)
	case !history.ValidSource(c.Source):
		return key, badFlag("--source is 1 to 64 lower-case letters, digits, '.', '_' and '-'")
	}
	if c.Currency != "" {
		if key.Currency, ok = market.ParseCurrency(c.Currency); !ok {
			return key, badFlag("--currency: there is no currency " + c.Currency)
		}
	}
	if c.Metric != "" {
		if key.Metric, ok = market.ParseMetric(c.Metric); !ok {
			return key, badFlag("--metric: there is no on-chain metric " + c.Metric)
		}
	}
	return key, nil
}

// usageError is a mistake on the command line that kong does not see.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func badFlag(message string) error { return usageError{message} }

func (c importCmd) Run(e *env) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	in := e.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return withHistory(e, func(ctx context.Context, cfg config.Config, s *store.Store) error {
		now := time.Now().UTC().Truncate(time.Millisecond)
		rows, err := c.reader(in, history.Defaults{SeriesKey: key, Source: c.Source, FetchedAt: now}, now)
		if err != nil {
			return err
		}
		im := history.Import{Store: s, Guard: market.Guard{Factor: float64(cfg.SpikeFactor)}, Bad: func(l history.LineError) { fmt.Fprintln(e.stderr, l.Error()) }}
		if c.Format == "ndjson" {
			im.Guard = market.Guard{} // what was exported passed it, or was released
		}
		done, err := im.Run(ctx, rows)
		fmt.Fprintf(e.stdout, "%d rows stored, %d quarantined\n", done.Stored, done.Quarantined)
		if err != nil {
			return err
		}
		if done.Bad > 0 {
			return fmt.Errorf("bad lines: %d; good rows that were not stored because of them: %d", done.Bad, done.Refused)
		}
		return nil
	})
}

func (c *importCmd) reader(in io.Reader, d history.Defaults, now time.Time) (history.Reader, error) {
	switch c.Format {
	case "ndjson":
		return history.NewNDJSONReader(in, d, now), nil
	case "csv":
		return history.NewCSVReader(in, d, now)
	}
	if d.Asset == "" || d.Currency == "" {
		return nil, badFlag("a body of CoinGecko does not say what it is of: --asset and --currency have to")
	}
	body, err := io.ReadAll(io.LimitReader(in, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("the body is longer than %d bytes", maxBody)
	}
	points, err := coingecko.ReadBody(body, d.Interval, d.FetchedAt)
	for i := range points {
		points[i].Source = d.Source
	}
	return history.Points(d.SeriesKey, points), err
}

type exportCmd struct {
	Assets     []string `required:"" help:"CoinGecko's asset ids, separated by commas."`
	Currencies []string `help:"Export the charts in these currencies; usd when left out."`
	Metric     []string `help:"Export these on-chain metrics instead of charts."`
	Interval   string   `default:"daily" enum:"daily,hourly,5m" help:"daily, hourly or 5m."`
	From       string   `help:"The first day or instant, such as 2025-01-31 or 2025-01-31T12:00:00Z; from the beginning when left out."`
	To         string   `help:"The day or instant before which to end; with the newest point when left out."`
	Format     string   `default:"csv" enum:"csv,ndjson" help:"csv, or ndjson, which has all that is stored."`
	Out        string   `default:"-" help:"File to write; - is the standard output."`
}

// series are those that the flags name, asset by asset.
func (c *exportCmd) series() ([]market.SeriesKey, error) {
	if len(c.Metric) > 0 && len(c.Currencies) > 0 {
		return nil, badFlag("--metric and --currencies do not go together")
	}
	if len(c.Metric) == 0 && len(c.Currencies) == 0 {
		c.Currencies = []string{"usd"}
	}
	interval, _ := market.IntervalNamed(c.Interval)
	var keys []market.SeriesKey
	for _, asset := range c.Assets {
		if !market.ValidAssetID(asset) {
			return nil, badFlag("--assets: " + market.AssetIDMessage)
		}
		for _, name := range c.Currencies {
			currency, ok := market.ParseCurrency(name)
			if !ok {
				return nil, badFlag("--currencies: there is no currency " + name)
			}
			keys = append(keys, market.SeriesKey{Asset: asset, Currency: currency, Interval: interval})
		}
		for _, name := range c.Metric {
			metric, ok := market.ParseMetric(name)
			if !ok {
				return nil, badFlag("--metric: there is no on-chain metric " + name)
			}
			keys = append(keys, market.SeriesKey{Asset: asset, Metric: metric, Interval: interval})
		}
	}
	return keys, nil
}

func (c *exportCmd) window() (market.Range, error) {
	r := market.Range{To: time.Now().Add(48 * time.Hour).UnixMilli()}
	for _, bound := range []struct {
		flag, text string
		to         *int64
	}{{"--from", c.From, &r.From}, {"--to", c.To, &r.To}} {
		if bound.text == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, bound.text)
		if err != nil {
			if t, err = time.Parse(time.RFC3339, bound.text); err != nil {
				return r, badFlag(bound.flag + " is a day, such as 2025-01-31, or an instant of RFC 3339")
			}
		}
		*bound.to = t.UnixMilli()
	}
	if r.Empty() {
		return r, badFlag("--to is not after --from")
	}
	return r, nil
}

func (c exportCmd) Run(e *env) error {
	series, err := c.series()
	if err != nil {
		return err
	}
	window, err := c.window()
	if err != nil {
		return err
	}
	return withHistory(e, func(ctx context.Context, _ config.Config, s *store.Store) error {
		return toFile(e, c.Out, func(out io.Writer) error {
			rows, err := c.writer(out, series)
			if err != nil {
				return err
			}
			n, err := history.Export(ctx, s, series, window, rows)
			if err == nil {
				fmt.Fprintf(e.stderr, "%d rows of %d series\n", n, len(series))
			}
			return err
		})
	})
}

// withHistory runs something on the database's history.
func withHistory(e *env, do func(context.Context, config.Config, *store.Store) error) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return err
	}
	s, err := openStore(e)
	if err != nil {
		return err
	}
	err = s.Migrate(e.ctx)
	if err == nil {
		err = do(e.ctx, cfg, s)
	}
	return errors.Join(err, s.Close())
}

// toFile writes a file that is there whole or not at all, or the standard output.
func toFile(e *env, name string, write func(io.Writer) error) error {
	if name == "-" {
		out := bufio.NewWriter(e.stdout)
		return cmp.Or(write(out), out.Flush())
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part")
	if err != nil {
		return err
	}
	err = cmp.Or(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	return err
}

// writer writes rows in the format that was asked for.
func (c exportCmd) writer(out io.Writer, series []market.SeriesKey) (history.Writer, error) {
	if c.Format == "csv" {
		return history.NewCSVWriter(out, series)
	}
	return history.NewNDJSONWriter(out), nil
}
