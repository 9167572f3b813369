package market

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coingraph/coingraph/fault"
)

// MaxGridColumns is how many columns a grid has at most, and maxLabel how many characters a column's label.
const (
	MaxGridColumns = 100
	maxLabel       = 100
)

// GridValue is which value of a market a grid's column has. Its name is in lower case; GraphQL's enum has it in upper case.
type GridValue string

// The values.
const (
	GridPrice     GridValue = "price"
	GridMarketCap GridValue = "market_cap"
	GridVolume    GridValue = "volume"
)

// Valid tells whether there is such a value.
func (v GridValue) Valid() bool { return v == GridPrice || v == GridMarketCap || v == GridVolume }

// MarshalGQL writes the GraphQL enum value: MARKET_CAP.
func (v GridValue) MarshalGQL(w io.Writer) {
	_, _ = io.WriteString(w, strconv.Quote(strings.ToUpper(string(v))))
}

// UnmarshalGQL reads the GraphQL enum value.
func (v *GridValue) UnmarshalGQL(in any) error {
	s, _ := in.(string)
	read := GridValue(strings.ToLower(s))
	if !read.Valid() || s != strings.ToUpper(s) {
		return fmt.Errorf("not a value of a grid")
	}
	*v = read
	return nil
}

// GridColumn asks for a column: an on-chain metric of an asset, or else a value of its market.
type GridColumn struct {
	Asset    string
	Value    *GridValue // nil: the price
	Currency *Currency  // nil: US dollars
	Metric   *Metric
	Label    *string // nil: named after what it has
}

func (c GridColumn) value() GridValue {
	if c.Value == nil {
		return GridPrice
	}
	return *c.Value
}

// series is the series that the column shows of.
func (c GridColumn) series(interval Interval) SeriesKey {
	k := SeriesKey{Asset: c.Asset, Interval: interval}
	switch {
	case c.Metric != nil:
		k.Metric = *c.Metric
	case c.Currency != nil:
		k.Currency = *c.Currency
	default:
		k.Currency = "usd"
	}
	return k
}

func (c GridColumn) label() string {
	k := c.series(0)
	switch {
	case c.Label != nil:
		return *c.Label
	case k.OnChain():
		return c.Asset + " " + strings.ToUpper(string(k.Metric))
	default:
		return c.Asset + " " + strings.ToUpper(string(c.value())+" "+string(k.Currency))
	}
}

// GridRequest asks for several series side by side.
type GridRequest struct {
	Columns  []GridColumn
	Days     Days
	Interval Interval
}

// CheckGrid names what is wrong with a question for a grid.
func (s *Service) CheckGrid(r GridRequest) []fault.Field {
	bad := CheckChart(r.Days, r.Interval)
	switch {
	case len(r.Columns) == 0:
		return append(bad, fault.Field{Field: "columns", Message: "must have at least one column"})
	case len(r.Columns) > MaxGridColumns:
		return append(bad, fault.Field{Field: "columns", Message: fmt.Sprintf("must have at most %d columns", MaxGridColumns)})
	}
	for i, c := range r.Columns {
		if len(bad) >= maxFields {
			break
		}
		at := fmt.Sprintf("columns[%d].", i)
		bad = append(bad, CheckAsset(at+"asset", c.Asset)...)
		if l := c.Label; l != nil && (*l == "" || utf8.RuneCountInString(*l) > maxLabel || !utf8.ValidString(*l)) {
			bad = append(bad, fault.Field{Field: at + "label", Message: fmt.Sprintf("must be a text of 1 to %d characters", maxLabel)})
		}
		switch {
		case c.Metric == nil:
			bad = append(bad, s.CheckCurrency(at+"currency", c.series(r.Interval).Currency)...)
		case c.Value != nil || c.Currency != nil:
			bad = append(bad, fault.Field{Field: at + "metric", Message: "a column has a metric, or a value in a currency: not both"})
		}
	}
	return bad
}

// Series counts the charts and the metrics that the grid is made of, each once.
func (r GridRequest) Series() (charts, metrics int) {
	seen := make(map[SeriesKey]bool, len(r.Columns))
	for _, c := range r.Columns {
		switch k := c.series(r.Interval); {
		case seen[k]:
		case k.OnChain():
			metrics++
		default:
			charts++
		}
		seen[c.series(r.Interval)] = true
	}
	return charts, metrics
}

// Points is how many instants the grid has at most at the time given; 0 for a request that is not valid.
func (r GridRequest) Points(now time.Time) int {
	return SeriesRequest{SeriesKey{Interval: r.Interval}, r.Days}.Points(now)
}

// Grid is series side by side: all of its columns are as long as its timestamps, index by index.
type Grid struct {
	Timestamps Timestamps
	Columns    []*GridSeries
}

// GridSeries is a column of a grid.
type GridSeries struct {
	Label    string
	Values   Column
	Sources  []string
	Coverage Coverage // of the series behind the column
}

// GridPlan is what a grid is made of. The series are to be asked for, and [GridPlan.Read] puts them side by side.
type GridPlan struct {
	Charts  []ChartRequest // each once
	Metrics []MetricRequest

	request GridRequest
	window  Range
	from    []gridSource // index by index with the columns
}

// gridSource is where a column's values come from.
type gridSource struct {
	onChain bool
	index   int  // in Charts or Metrics
	carried bool // daily values on an hourly grid
}

// PlanGrid plans a valid request. A metric that is there by day only is carried through an hourly grid.
func (s *Service) PlanGrid(r GridRequest) GridPlan {
	p := GridPlan{request: r, from: make([]gridSource, len(r.Columns))}
	var offered []Offer
	axis := SeriesKey{Metric: "any", Interval: r.Interval} // the calendar of metrics, if there is nothing else
	for i, c := range r.Columns {
		req := SeriesRequest{c.series(r.Interval), r.Days}
		if !req.OnChain() {
			axis.Metric = ""
			p.from[i] = gridSource{index: place(&p.Charts, req)}
			continue
		}
		if offered == nil {
			offered = s.opts.Source.Offers()
		}
		daily := req.SeriesKey
		daily.Interval = Daily
		carried := r.Interval != Daily && !offers(offered, req.SeriesKey) && offers(offered, daily)
		if carried {
			axis.Metric = ""
			req.SeriesKey, req.Days = daily, req.Days.carried()
		}
		p.from[i] = gridSource{true, place(&p.Metrics, req), carried}
	}
	p.window = SeriesRequest{axis, r.Days}.window(s.opts.Now())
	return p
}

// carried is how many daily points an hourly grid needs of a metric: the first hour shows what the day before it was.
func (d Days) carried() Days {
	if d == AllDays {
		return d
	}
	return min(d+2, MaxDays)
}

// place gives a request's index in the list, to which it is added if it is not there yet.
func place(list *[]SeriesRequest, r SeriesRequest) int {
	i := slices.Index(*list, r)
	if i < 0 {
		i = len(*list)
		*list = append(*list, r)
	}
	return i
}

// Read puts the answers for the plan's series, index by index, side by side. A column whose series failed is nil, with its
// error at the same index; no errors at all are nil.
func (p GridPlan) Read(charts []Answer[*Chart], metrics []Answer[*MetricSeries]) (*Grid, []error) {
	readings, columns, errs := p.columns(charts, metrics)
	window := p.window
	if p.request.Days == AllDays {
		window.From = p.begin(readings)
	}
	g := &Grid{Timestamps: spanning(p.request.Interval, window), Columns: make([]*GridSeries, len(columns))}
	for i, r := range readings {
		if r == nil {
			continue
		}
		put := align
		if p.from[i].carried {
			put = carry
		}
		g.Columns[i] = &GridSeries{
			Label: p.request.Columns[i].label(), Values: put(g.Timestamps, r.Timestamps, columns[i]), Sources: r.Sources, Coverage: r.Coverage,
		}
	}
	return g, errs
}

// columns finds each column's series and values among the answers.
func (p GridPlan) columns(charts []Answer[*Chart], metrics []Answer[*MetricSeries]) (readings []*Reading, columns []Column, errs []error) {
	readings, columns = make([]*Reading, len(p.from)), make([]Column, len(p.from))
	for i, from := range p.from {
		var err error
		if from.onChain {
			a := metrics[from.index]
			if err = a.Err; err == nil {
				readings[i], columns[i] = &a.Value.Reading, a.Value.Values
			}
		} else {
			a := charts[from.index]
			if err = a.Err; err == nil {
				readings[i], columns[i] = &a.Value.Reading, a.Value.column(p.request.Columns[i].value())
			}
		}
		if err != nil {
			if errs == nil {
				errs = make([]error, len(p.from))
			}
			errs[i] = err
		}
	}
	return readings, columns, errs
}

func (c *Chart) column(v GridValue) Column {
	switch v {
	case GridMarketCap:
		return c.MarketCaps
	case GridVolume:
		return c.Volumes
	default:
		return c.Prices
	}
}

// begin is the first instant at which any column has something; the window's end where none has.
func (p GridPlan) begin(readings []*Reading) int64 {
	first := p.window.To
	for i, r := range readings {
		if r == nil || r.Timestamps.Len() == 0 {
			continue
		}
		t := r.Timestamps.span().From
		if p.from[i].carried {
			t += Daily.Step()
		}
		first = min(first, t)
	}
	return max(first, p.window.From)
}

// align puts values at their own instants, and null at all others.
func align(grid, timestamps Timestamps, values Column) Column {
	if grid.same(timestamps) {
		return values
	}
	slots, texts := newColumnBuilder(grid.Len()), values.Texts()
	window, step := grid.span(), grid.interval.Step()
	at := window.From
	for t := range timestamps.All() {
		text := texts.Next()
		if !window.Contains(t) {
			continue
		}
		for ; at < t; at += step {
			slots.addText(nullText)
		}
		slots.addText(text)
		at += step
	}
	for ; at < window.To; at += step {
		slots.addText(nullText)
	}
	return slots.column()
}

// carry puts at each instant the last daily value that was known then: a day's is known when the day is over.
func carry(grid, timestamps Timestamps, values Column) Column {
	slots, texts := newColumnBuilder(grid.Len()), values.Texts()
	window, step := grid.span(), grid.interval.Step()
	at, last := window.From, nullText
	for t := range timestamps.All() {
		for known := min(t+Daily.Step(), window.To); at < known; at += step {
			slots.addText(last)
		}
		last = texts.Next()
	}
	for ; at < window.To; at += step {
		slots.addText(last)
	}
	return slots.column()
}
