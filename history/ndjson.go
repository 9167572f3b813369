package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/market"
)

// ndjsonWriter writes an object a line. A value that was null is null, one that the provider left out is left out.
type ndjsonWriter struct {
	w   *bufio.Writer
	buf []byte
}

// NewNDJSONWriter writes newline-delimited JSON with all that is stored of a point.
func NewNDJSONWriter(w io.Writer) Writer { return &ndjsonWriter{w: bufio.NewWriter(w)} }

// valueOf is a value's name, the bit that says that it is missing, and where it is.
type valueOf struct {
	name string
	bit  market.Missing
	in   func(*market.Point) *float64
}

var (
	chartValues = []valueOf{
		{"price", market.MissingPrice, func(p *market.Point) *float64 { return &p.Price }},
		{"market_cap", market.MissingMarketCap, func(p *market.Point) *float64 { return &p.MarketCap }},
		{"volume", market.MissingVolume, func(p *market.Point) *float64 { return &p.Volume }},
	}
	metricValues = []valueOf{{"value", market.MissingPrice, chartValues[0].in}}
)

func valuesOf(k market.SeriesKey) []valueOf {
	if k.OnChain() {
		return metricValues
	}
	return chartValues
}

func (n *ndjsonWriter) Write(r *Row) error {
	b := append(n.buf[:0], `{"asset":`...)
	asset, err := json.Marshal(r.Asset)
	if err != nil {
		return err
	}
	b = append(b, asset...)
	if r.OnChain() {
		b = append(append(append(b, `,"metric":"`...), r.Metric...), '"')
	} else {
		b = append(append(append(b, `,"currency":"`...), r.Currency...), '"')
	}
	b = append(append(append(b, `,"interval":"`...), r.Interval.String()...), `","timestamp":`...)
	b = strconv.AppendInt(b, r.Stamp, 10)
	for _, v := range valuesOf(r.SeriesKey) {
		if r.Missing&v.bit == 0 {
			b = append(append(append(b, `,"`...), v.name...), `":`...)
			b = market.AppendNumber(b, *v.in(&r.Point))
		}
	}
	source, err := json.Marshal(r.Source)
	if err != nil {
		return err
	}
	b = append(append(append(b, `,"source":`...), source...), `,"fetched_at":`...)
	n.buf = append(strconv.AppendInt(b, r.FetchedAt.UnixMilli(), 10), '}', '\n')
	_, err = n.w.Write(n.buf)
	return err
}

func (n *ndjsonWriter) Flush() error { return n.w.Flush() }

type ndjsonReader struct {
	lines    *lines
	defaults Defaults
	now      time.Time
}

// NewNDJSONReader reads what [NewNDJSONWriter] writes.
func NewNDJSONReader(r io.Reader, d Defaults, now time.Time) Reader {
	return &ndjsonReader{newLines(r), d, now}
}

// object is a line. What it does not have is empty; what is null is "null".
type object struct {
	Asset     *string         `json:"asset"`
	Currency  *string         `json:"currency"`
	Metric    *string         `json:"metric"`
	Interval  *string         `json:"interval"`
	Timestamp *int64          `json:"timestamp"`
	Price     json.RawMessage `json:"price"`
	MarketCap json.RawMessage `json:"market_cap"`
	Volume    json.RawMessage `json:"volume"`
	Value     json.RawMessage `json:"value"`
	Source    *string         `json:"source"`
	FetchedAt *int64          `json:"fetched_at"`
}

func (n *ndjsonReader) Read() (int, Row, error) {
	text, err := n.lines.next()
	if err != nil {
		return n.lines.number, Row{}, err
	}
	row, err := n.row(text)
	if err != nil {
		return n.lines.number, Row{}, LineError{n.lines.number, err.Error()}
	}
	return n.lines.number, row, nil
}

func (n *ndjsonReader) row(text string) (Row, error) {
	var o object
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return Row{}, fmt.Errorf("it is not a JSON object of a point: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Row{}, errors.New("there is more than one JSON value")
	}
	row := Row{n.defaults.SeriesKey, market.Point{Source: n.defaults.Source, FetchedAt: n.defaults.FetchedAt}}
	if err := o.series(&row.SeriesKey); err != nil {
		return Row{}, err
	}
	if o.Timestamp == nil {
		return Row{}, errors.New("the timestamp is missing")
	}
	row.Stamp = *o.Timestamp
	if o.Source != nil {
		row.Source = *o.Source
	}
	if o.FetchedAt != nil {
		row.FetchedAt = time.UnixMilli(*o.FetchedAt).UTC()
	}
	if err := o.values(&row); err != nil {
		return Row{}, err
	}
	return row, row.check(n.now)
}

func (o *object) series(k *market.SeriesKey) (err error) {
	if o.Asset != nil {
		k.Asset = *o.Asset
	}
	if o.Currency != nil {
		if k.Currency, err = parseCurrency(*o.Currency); err != nil {
			return err
		}
	}
	if o.Metric != nil {
		if k.Metric, err = parseMetric(*o.Metric); err != nil {
			return err
		}
	}
	if o.Interval != nil {
		k.Interval, err = parseInterval(*o.Interval)
	}
	return err
}

func (o *object) values(row *Row) error {
	row.Price, row.MarketCap, row.Volume = math.NaN(), math.NaN(), math.NaN()
	given := map[string]json.RawMessage{"price": o.Price, "market_cap": o.MarketCap, "volume": o.Volume, "value": o.Value}
	for _, v := range valuesOf(row.SeriesKey) {
		raw := given[v.name]
		delete(given, v.name)
		switch {
		case len(raw) == 0:
			row.Missing |= v.bit
		case string(raw) != "null":
			n, err := parseNumber(string(raw))
			if err != nil {
				return err
			}
			*v.in(&row.Point) = n
		}
	}
	for name, raw := range given {
		if len(raw) > 0 {
			return fmt.Errorf("such a series has no %s", name)
		}
	}
	return nil
}
