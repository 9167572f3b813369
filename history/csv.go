package history

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/market"
)

// The columns of CSV. timestamp is in Unix ms, or RFC 3339 where it is read; an empty value is null.
var (
	chartColumns  = []string{"timestamp", "price", "market_cap", "volume"}
	metricColumns = []string{"timestamp", "value"}
)

// csvWriter writes the columns of the values, behind those that name the series if there are several.
type csvWriter struct {
	csv     *csv.Writer
	named   bool
	onChain bool
	record  []string
}

// NewCSVWriter writes CSV: of one series its values alone, of several, all of them charts or all of them metrics, with asset,
// currency or metric, and interval before them.
func NewCSVWriter(w io.Writer, series []market.SeriesKey) (Writer, error) {
	c := &csvWriter{csv: csv.NewWriter(w), named: len(series) > 1, onChain: len(series) > 0 && series[0].OnChain()}
	var header []string
	if c.named {
		header = []string{"asset", "currency", "interval"}
		if c.onChain {
			header[1] = "metric"
		}
	}
	if c.onChain {
		header = append(header, metricColumns...)
	} else {
		header = append(header, chartColumns...)
	}
	return c, c.csv.Write(header)
}

func (c *csvWriter) Write(r *Row) error {
	if r.OnChain() != c.onChain {
		return errors.New("charts and metrics do not go into one CSV")
	}
	c.record = c.record[:0]
	if c.named {
		c.record = append(c.record, r.Asset, string(r.Currency)+string(r.Metric), r.Interval.String())
	}
	c.record = append(c.record, strconv.FormatInt(r.Stamp, 10), cell(r.Price))
	if !c.onChain {
		c.record = append(c.record, cell(r.MarketCap), cell(r.Volume))
	}
	return c.csv.Write(c.record)
}

func (c *csvWriter) Flush() error {
	c.csv.Flush()
	return c.csv.Error()
}

func cell(v float64) string {
	if v != v {
		return ""
	}
	return string(market.AppendNumber(nil, v))
}

type csvReader struct {
	lines    *lines
	defaults Defaults
	now      time.Time
	fields   []func(*Row, string) error // by column; of the header
}

// NewCSVReader reads CSV whose first line names its columns, in any order: timestamp and price (of a metric: value), and if
// they are there market_cap, volume, asset, currency, metric, interval and source.
func NewCSVReader(r io.Reader, d Defaults, now time.Time) (Reader, error) {
	c := &csvReader{lines: newLines(r), defaults: d, now: now}
	header, err := c.lines.next()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, err
	}
	names, err := split(header)
	if err != nil {
		return nil, LineError{c.lines.number, err.Error()}
	}
	for i, name := range names {
		field, ok := csvFields[strings.TrimSpace(name)]
		if !ok || slices.Contains(names[:i], name) {
			return nil, LineError{c.lines.number, fmt.Sprintf("the column %q is unknown or there twice", name)}
		}
		c.fields = append(c.fields, field)
	}
	if !slices.Contains(names, "timestamp") || slices.Contains(names, "price") == slices.Contains(names, "value") {
		return nil, LineError{c.lines.number, "the header needs the column timestamp, and either price or value"}
	}
	return c, nil
}

var csvFields = map[string]func(*Row, string) error{
	"timestamp": func(r *Row, s string) (err error) {
		if r.Stamp, err = strconv.ParseInt(s, 10, 64); err == nil {
			return nil
		}
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return fmt.Errorf("%q is neither Unix milliseconds nor RFC 3339", s)
		}
		r.Stamp = t.UnixMilli()
		return nil
	},
	"price":      value(func(r *Row) *float64 { return &r.Price }),
	"value":      value(func(r *Row) *float64 { return &r.Price }),
	"market_cap": value(func(r *Row) *float64 { return &r.MarketCap }),
	"volume":     value(func(r *Row) *float64 { return &r.Volume }),
	"asset":      func(r *Row, s string) error { r.Asset = s; return nil },
	"currency":   func(r *Row, s string) (err error) { r.Currency, err = parseCurrency(s); return err },
	"metric":     func(r *Row, s string) (err error) { r.Metric, err = parseMetric(s); return err },
	"interval":   func(r *Row, s string) (err error) { r.Interval, err = parseInterval(s); return err },
	"source":     func(r *Row, s string) error { r.Source = s; return nil },
}

func value(of func(*Row) *float64) func(*Row, string) error {
	return func(r *Row, s string) (err error) {
		if s == "" {
			return nil
		}
		*of(r), err = parseNumber(s)
		return err
	}
}

func (c *csvReader) Read() (int, Row, error) {
	text, err := c.lines.next()
	if err != nil {
		return c.lines.number, Row{}, err
	}
	row, err := c.row(text)
	if err != nil {
		return c.lines.number, Row{}, LineError{c.lines.number, err.Error()}
	}
	return c.lines.number, row, nil
}

func (c *csvReader) row(text string) (Row, error) {
	cells, err := split(text)
	if err != nil {
		return Row{}, err
	}
	if len(cells) != len(c.fields) {
		return Row{}, fmt.Errorf("it has %d cells, and the header %d", len(cells), len(c.fields))
	}
	null := math.NaN()
	row := Row{c.defaults.SeriesKey, market.Point{Price: null, MarketCap: null, Volume: null, Source: c.defaults.Source, FetchedAt: c.defaults.FetchedAt}}
	for i, s := range cells {
		if err := c.fields[i](&row, strings.TrimSpace(s)); err != nil {
			return Row{}, err
		}
	}
	return row, row.check(c.now)
}

// split takes a line of CSV apart. No cell of ours has a line break in it, so a quote that is not closed costs one line.
func split(line string) ([]string, error) {
	if !strings.Contains(line, `"`) {
		return strings.Split(line, ","), nil
	}
	cells, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil {
		return nil, errors.New("it is not CSV: a quote is open or in the wrong place")
	}
	return cells, nil
}
