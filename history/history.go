// Package history brings stored series out into files and files into the store: CSV and NDJSON, row by row, so that memory does
// not grow with the history. NDJSON carries all that is stored of a point, bit for bit; CSV carries its stamp and values.
package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/market"
)

// Row is a point and the series it belongs to.
type Row struct {
	market.SeriesKey
	market.Point
}

// Reader gives the rows of a file.
type Reader interface {
	// Read gives the next row and the number of its line, from 1. The error is io.EOF after the last one, a [LineError] for a line
	// that is no row, after which the next one may be read, and anything else when reading cannot go on.
	Read() (line int, row Row, err error)
}

// Writer takes rows.
type Writer interface {
	Write(row *Row) error
	Flush() error // has to be called at the end
}

// LineError says what is wrong with a line.
type LineError struct {
	Line    int
	Message string
}

// Error names the line.
func (e LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Defaults are what a row is taken for where it does not say itself.
type Defaults struct {
	market.SeriesKey
	Source    string
	FetchedAt time.Time
}

// DefaultSource names rows that came from a file which does not say where it has them from.
const DefaultSource = "import"

// ValidSource tells whether a text may name a source: 1 to 64 lower-case letters, digits, '.', '_' and '-'.
func ValidSource(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}

// earliest and ahead bound stamps: before Bitcoin there were no prices, and beyond tomorrow there are none.
var earliest = time.Date(2009, 1, 3, 0, 0, 0, 0, time.UTC).UnixMilli()

const ahead = 24 * time.Hour

// check names what is wrong with a row.
func (r *Row) check(now time.Time) error {
	switch {
	case !market.ValidAssetID(r.Asset):
		return errors.New("the asset is missing or no id of CoinGecko's form")
	case (r.Currency == "") == (r.Metric == ""):
		return errors.New("it needs either a currency or a metric")
	case !r.Interval.Valid():
		return errors.New("the interval is missing or none of daily, hourly and 5m")
	case r.Stamp < earliest || r.Stamp > now.Add(ahead).UnixMilli():
		return errors.New("the timestamp lies before 2009-01-03 or in the future")
	case r.Currency != "" && (r.Price < 0 || r.MarketCap < 0 || r.Volume < 0):
		return errors.New("a value is negative")
	case !ValidSource(r.Source):
		return errors.New("the source is no name of lower-case letters, digits, '.', '_' and '-'")
	case r.FetchedAt.UnixMilli() < earliest || r.FetchedAt.After(now.Add(ahead)):
		return errors.New("fetched_at lies before 2009-01-03 or in the future")
	}
	return nil
}

// parseNumber reads a JSON number.
func parseNumber(s string) (float64, error) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return v, nil
}

func parseCurrency(s string) (market.Currency, error) {
	c, ok := market.ParseCurrency(s)
	if !ok {
		return "", fmt.Errorf("%q is not a currency", s)
	}
	return c, nil
}

func parseMetric(s string) (market.Metric, error) {
	m, ok := market.ParseMetric(s)
	if !ok {
		return "", fmt.Errorf("%q is not an on-chain metric", s)
	}
	return m, nil
}

func parseInterval(s string) (market.Interval, error) {
	i, ok := market.IntervalNamed(s)
	if !ok {
		return 0, fmt.Errorf("%q is not an interval", s)
	}
	return i, nil
}

// Source is where stored series are read.
type Source interface {
	Histories(ctx context.Context, windows []market.Window) ([]market.History, error)
}

// exportSlots is how many grid instants one look into the store brings: it bounds the memory of an export.
const exportSlots = 4096

// Export writes the points of the series whose grid instants lie in the range, series by series, ascending, as they are
// stored. Each few thousand are read at once, so what is stored meanwhile may be among them. It gives how many there were.
func Export(ctx context.Context, from Source, series []market.SeriesKey, r market.Range, to Writer) (rows int, err error) {
	for _, key := range series {
		step := exportSlots * key.Interval.Step()
		for at := key.Interval.Floor(max(r.From, earliest)); at < r.To; at += step {
			window := market.Range{From: at, To: at + step}.Intersect(r)
			histories, err := from.Histories(ctx, []market.Window{{SeriesKey: key, Range: window}})
			if err != nil {
				return rows, err
			}
			for _, p := range histories[0].Points {
				if err := to.Write(&Row{key, p}); err != nil {
					return rows, err
				}
				rows++
			}
		}
	}
	return rows, to.Flush()
}

// Points reads what is in memory already. All of it is line 1.
func Points(key market.SeriesKey, points []market.Point) Reader { return &pointsReader{key, points} }

type pointsReader struct {
	key    market.SeriesKey
	points []market.Point
}

func (r *pointsReader) Read() (int, Row, error) {
	if len(r.points) == 0 {
		return 0, Row{}, io.EOF
	}
	row := Row{r.key, r.points[0]}
	r.points = r.points[1:]
	return 1, row, nil
}
