package market

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Cached values are binary: a version, the value's identity, and its fields in order. A value that was written by another
// version, belongs to another key or ends too early decodes to an error, which the read-through takes for a miss and
// overwrites. That its bytes are those that were set is the cache's promise: see [Cache].
const (
	quoteVersion    = 'q'<<8 | 4
	chartVersion    = 'c'<<8 | 3
	metricVersion   = 'm'<<8 | 2
	samplesVersion  = 's'<<8 | 2
	documentVersion = 'd'<<8 | 2
)

// maxExact is beyond all instants: no sum of steps overflows, and JSON's readers still have it exactly.
const maxExact = 1 << 53

var errCorrupt = errors.New("corrupt cache value")

type encoder struct{ b []byte }

func (e *encoder) u16(v uint16)     { e.b = binary.LittleEndian.AppendUint16(e.b, v) }
func (e *encoder) i64(v int64)      { e.b = binary.LittleEndian.AppendUint64(e.b, uint64(v)) }
func (e *encoder) f64(v float64)    { e.i64(int64(math.Float64bits(v))) }
func (e *encoder) time(t time.Time) { e.i64(t.UnixMicro()) }
func (e *encoder) str(s string)     { e.u16(uint16(len(s))); e.b = append(e.b, s...) }

func (e *encoder) column(c Column) {
	e.i64(int64(c.Len()))
	e.i64(int64(c.Size()))
	e.b = c.AppendJSON(e.b)
}

func (e *encoder) timestamps(t Timestamps) {
	e.i64(int64(len(t.ranges)))
	for _, r := range t.ranges {
		e.i64(r.From)
		e.i64(r.To)
	}
}

// decoder reads what encoder wrote; after a fault it gives zeros and ok is false.
type decoder struct {
	b  []byte
	ok bool
}

// open checks the version and the identity.
func open(b []byte, version uint16, identity string) decoder {
	d := decoder{b, true}
	if d.u16() != version || string(d.take(int(d.u16()))) != identity {
		d.ok = false
	}
	return d
}

func (d *decoder) take(n int) []byte {
	if !d.ok || n < 0 || n > len(d.b) {
		d.ok = false
		return nil
	}
	taken := d.b[:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) i64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) f64() float64    { return math.Float64frombits(uint64(d.i64())) }
func (d *decoder) time() time.Time { return time.UnixMicro(d.i64()).UTC() }
func (d *decoder) str() string     { return string(d.bytes()) }

// bytes is a string's, for comparisons that need no copy.
func (d *decoder) bytes() []byte { return d.take(int(d.u16())) }

// count reads a length of elements of the size given, and refuses one that cannot be true.
func (d *decoder) count(size int) int {
	n := d.i64()
	if !d.ok || n < 0 || n > int64(len(d.b)/size) {
		d.ok = false
		return 0
	}
	return int(n)
}

// column takes n values. Their text is not copied and, being what was set, not read through.
func (d *decoder) column(n int) Column {
	count := d.i64()
	text := d.take(d.count(1))
	if last := len(text) - 1; count != int64(n) || last < 1 || text[0] != '[' || text[last] != ']' || last/2 < n {
		d.ok = false
		return Column{}
	}
	return Column{text[:len(text):len(text)], n}
}

func (d *decoder) timestamps(interval Interval) Timestamps {
	t := Timestamps{interval: interval, ranges: make([]Range, d.count(16))}
	step := interval.Step()
	var n, end int64
	for i := range t.ranges {
		r := Range{d.i64(), d.i64()}
		if r.From < end || r.Empty() || r.From%step != 0 || r.To%step != 0 || r.To > maxExact {
			d.ok = false
			return Timestamps{}
		}
		n, end, t.ranges[i] = n+(r.To-r.From)/step, r.To, r
	}
	t.n = int(n)
	return t
}

func (d *decoder) done() error {
	if !d.ok || len(d.b) != 0 {
		return errCorrupt
	}
	return nil
}

// encodeQuote encodes a pair's quote, or that the pair has none.
func encodeQuote(pair Pair, q *Quote) []byte {
	e := &encoder{make([]byte, 0, 448)}
	e.u16(quoteVersion)
	e.str(pair.key())
	if q == nil {
		e.u16(0)
		return e.b
	}
	e.u16(1)
	e.f64(q.Price)
	e.f64(q.MarketCap)
	e.f64(q.Volume24h)
	e.f64(q.Change24h)
	e.time(q.LastUpdatedAt)
	e.time(q.FetchedAt)
	e.str(q.Source)
	// The same once more as it goes out: who answers has nothing to write then.
	json := q.read(Asset{}, 0, time.Time{}).render()
	for _, end := range json.ends {
		e.u16(end)
	}
	e.str(string(json.text))
	return e.b
}

// decodeQuote reads the values of the quote whose key is given into a price, and the same as it goes out, which is not copied. It
// is false when it is known that there is none. A source that the price has already is kept if it is the same.
func decodeQuote(key string, b []byte, p *Price) (there bool, err error) {
	d := open(b, quoteVersion, key)
	if d.u16() == 0 {
		return false, d.done()
	}
	p.Price, p.MarketCap, p.Volume24h, p.Change24h = Number(d.f64()), Number(d.f64()), Number(d.f64()), Number(d.f64())
	p.LastUpdatedAt, p.FetchedAt = d.time(), d.time()
	if source := d.bytes(); string(source) != p.Source {
		p.Source = string(source)
	}
	for i := range p.json.ends {
		p.json.ends[i] = d.u16()
	}
	p.json.text = d.bytes()
	if !p.json.whole() {
		return false, errCorrupt
	}
	return true, d.done()
}

// reading encodes what charts and metrics have in common.
func (e *encoder) reading(r *Reading) {
	e.time(r.FetchedAt)
	e.time(r.FreshUntil)
	e.timestamps(r.Timestamps)
	e.u16(uint16(len(r.Sources)))
	for _, s := range r.Sources {
		e.str(s)
	}
	e.i64(int64(len(r.Coverage.Holes)))
	for _, h := range r.Coverage.Holes {
		e.time(h.From)
		e.time(h.To)
		e.str(string(h.Reason))
	}
}

func (d *decoder) reading(req SeriesRequest, asset Asset) Reading {
	r := Reading{Asset: asset, Interval: req.Interval, Days: req.Days, FetchedAt: d.time(), FreshUntil: d.time()}
	r.Timestamps = d.timestamps(req.Interval)
	r.Sources = make([]string, min(d.u16(), 64))
	for i := range r.Sources {
		r.Sources[i] = d.str()
	}
	r.Coverage.Holes = make([]Hole, d.count(18))
	for i := range r.Coverage.Holes {
		r.Coverage.Holes[i] = Hole{d.time(), d.time(), reasons[string(d.bytes())]}
	}
	r.cover()
	return r
}

func encodeChart(req ChartRequest, c *Chart) []byte {
	e := &encoder{make([]byte, 0, 256+16*len(c.Timestamps.ranges)+c.Prices.Size()+c.MarketCaps.Size()+c.Volumes.Size())}
	e.u16(chartVersion)
	e.str(req.key())
	e.reading(&c.Reading)
	e.column(c.Prices)
	e.column(c.MarketCaps)
	e.column(c.Volumes)
	return e.b
}

func decodeChart(req ChartRequest, asset Asset, b []byte) (*Chart, error) {
	d := open(b, chartVersion, req.key())
	c := &Chart{Reading: d.reading(req, asset), Currency: req.Currency}
	n := c.Timestamps.Len()
	c.Prices, c.MarketCaps, c.Volumes = d.column(n), d.column(n), d.column(n)
	if err := d.done(); err != nil {
		return nil, err
	}
	return c, nil
}

func encodeMetric(req MetricRequest, m *MetricSeries) []byte {
	e := &encoder{make([]byte, 0, 256+16*len(m.Timestamps.ranges)+m.Values.Size())}
	e.u16(metricVersion)
	e.str(req.key())
	e.reading(&m.Reading)
	e.column(m.Values)
	return e.b
}

func decodeMetric(req MetricRequest, asset Asset, b []byte) (*MetricSeries, error) {
	d := open(b, metricVersion, req.key())
	m := &MetricSeries{Reading: d.reading(req, asset), Metric: req.Metric}
	m.Values = d.column(m.Timestamps.Len())
	if err := d.done(); err != nil {
		return nil, err
	}
	return m, nil
}

// sampleSize is how many bytes a sample takes.
const sampleSize = 4*8 + 2

func (e *encoder) sample(p *Sample) {
	e.i64(p.Stamp)
	e.f64(p.Price)
	e.f64(p.MarketCap)
	e.f64(p.Volume)
	e.u16(uint16(p.Missing))
}

func (d *decoder) sample() Sample {
	return Sample{d.i64(), d.f64(), d.f64(), d.f64(), Missing(d.u16())}
}

func encodeSamples(w Window, s *Samples) []byte {
	e := &encoder{make([]byte, 0, 256+sampleSize*len(s.Points))}
	e.u16(samplesVersion)
	e.str(w.key())
	e.time(s.FetchedAt)
	e.time(s.FreshUntil)
	e.i64(int64(len(s.Points)))
	for i := range s.Points {
		e.sample(&s.Points[i])
	}
	if s.tail == nil {
		e.u16(0)
		return e.b
	}
	e.u16(1)
	e.sample(s.tail)
	e.time(s.tailAt)
	return e.b
}

func decodeSamples(w Window, asset Asset, b []byte) (*Samples, error) {
	d := open(b, samplesVersion, w.key())
	s := &Samples{Asset: asset, Currency: w.Currency, Interval: w.Interval, FetchedAt: d.time(), FreshUntil: d.time()}
	s.Points = make([]Sample, d.count(sampleSize))
	for i := range s.Points {
		s.Points[i] = d.sample()
	}
	if d.u16() != 0 {
		tail := d.sample()
		s.tail, s.tailAt = &tail, d.time()
	}
	return s, d.done()
}

func encodeDocument(key string, doc Document) []byte {
	e := &encoder{make([]byte, 0, 256+len(doc.Body))}
	e.u16(documentVersion)
	e.str(key)
	e.i64(int64(doc.Total))
	e.str(doc.Source)
	e.time(doc.FetchedAt)
	e.time(doc.FreshUntil)
	e.i64(int64(len(doc.Body)))
	e.b = append(e.b, doc.Body...)
	return e.b
}

func decodeDocument(key string, b []byte) (Document, error) {
	d := open(b, documentVersion, key)
	doc := Document{Total: int(d.i64()), Source: d.str(), FetchedAt: d.time(), FreshUntil: d.time()}
	doc.Body = d.take(d.count(1))
	return doc, d.done()
}
