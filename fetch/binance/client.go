package binance

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// Name is the provider's name: the Source of what it tells.
const Name = "binance"

// BaseURL is the root of the API.
const BaseURL = "https://api.binance.com/api/v3"

// Try makes one call, as wire.Try says.
type Try = wire.Try

// Options are what a Client needs. The zero value is complete.
type Options struct {
	BaseURL   string // with the path; "": Binance's
	Key       string // "": none; candles need none
	UserAgent string
	Now       func() time.Time // nil: the real clock
}

// Client asks Binance. Its methods are safe for concurrent use. Their errors are faults of the upstream kinds.
type Client struct {
	wire   *wire.Client
	header http.Header
	ids    map[string][]string // by CoinGecko's id: the pair
	now    func() time.Time
}

//go:embed ids.csv
var idTable string

// New makes a Client. It sends nothing. No error has the key in it.
func New(o Options) (*Client, error) {
	c := &Client{now: o.Now}
	var secrets []string
	if o.Key != "" {
		secrets, c.header = []string{o.Key}, http.Header{"X-Mbx-Apikey": {o.Key}}
	}
	var err error
	if c.wire, err = wire.New(wire.Options{Provider: Name, BaseURL: cmp.Or(o.BaseURL, BaseURL), UserAgent: o.UserAgent, Secrets: secrets}); err != nil {
		return nil, err
	}
	if c.ids, err = wire.IDs(idTable, 2); err != nil {
		return nil, fmt.Errorf("binance: ids.csv: %w", err)
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// Name is the provider's name.
func (c *Client) Name() string { return Name }

// maxRows is how many candles a call gives at most.
const maxRows = 1000

var klines = wire.Endpoint{Path: "/klines", MaxBytes: 4 << 20}

// steps are how the intervals are called; case matters: 1M is a month.
var steps = map[market.Interval]string{market.Daily: "1d", market.Hourly: "1h"}

// codeInvalidSymbol is Binance's error for a pair that is not traded.
const codeInvalidSymbol = -1121

// Series asks for the missing ranges of a chart in USD (ascending grid ranges) in as few calls as there are thousands of
// candles: the years before a pair was listed take none. Each answer is complete in itself; with an error, the answers
// that are there are good.
func (c *Client) Series(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	id, known := c.ids[key.Asset]
	_, stepped := steps[key.Interval]
	if !known || !stepped || key.OnChain() || key.Currency != "usd" {
		return nil, fault.New(fault.UpstreamNotFound, "")
	}
	now := c.now()
	end := key.Interval.Floor(now.UnixMilli()) + key.Interval.Step()
	fetch := func(ctx context.Context, w market.Range) (market.Fetched, error) {
		return c.fetch(ctx, id[0], key.Interval, w, end)
	}
	var answers []market.Fetched
	calls, _ := wire.Plan(key.Interval, missing, 0, end, maxRows)
	for first := true; first || len(calls) > 0; first = false {
		// One call at a time: an answer may reach further than was asked for.
		job := wire.Job{Source: Name, Endpoint: klines.Path, Calls: calls[:min(1, len(calls))], Now: now}
		got, err := job.Do(ctx, try, fetch)
		answers = append(answers, got...)
		if err != nil {
			return answers, err
		}
		calls, _ = wire.Plan(key.Interval, missing, got[0].Covers.To, end, maxRows)
	}
	return answers, nil
}

// Calls is how many calls Series would make at most: the years before a pair was listed take none. It makes none.
func (c *Client) Calls(key market.SeriesKey, missing []market.Range) int {
	_, known := c.ids[key.Asset]
	_, stepped := steps[key.Interval]
	if !known || !stepped || key.OnChain() || key.Currency != "usd" {
		return 0
	}
	calls, _ := wire.Plan(key.Interval, missing, 0, key.Interval.Floor(c.now().UnixMilli())+key.Interval.Step(), maxRows)
	return len(calls)
}

// fetch asks for the candles from a range's start on, as many as the range has. They begin with the pair's first one,
// which may lie behind the range, and then reach behind it, too. Fewer than asked for are all that there are.
func (c *Client) fetch(ctx context.Context, symbol string, interval market.Interval, w market.Range, end int64) (market.Fetched, error) {
	asked, limit := c.now(), (w.To-w.From)/interval.Step()
	query := url.Values{
		"symbol": {symbol}, "interval": {steps[interval]}, "limit": {strconv.FormatInt(limit, 10)}, "startTime": {strconv.FormatInt(w.From, 10)},
	}
	r, err := c.wire.Get(ctx, klines, klines.Path, query.Encode(), c.header)
	if err != nil {
		return market.Fetched{}, err
	}
	if !r.Good {
		return market.Fetched{}, c.refusal(r)
	}
	rows, err := decodeCandles(r.Body, interval, asked)
	if err != nil {
		if code, _ := readError(r.Body); code != 0 {
			return market.Fetched{}, c.refusal(r)
		}
		return market.Fetched{}, c.wire.Nonsense(r, err)
	}
	w.To = end
	if n := len(rows); int64(n) >= limit {
		w.To = min(end, rows[n-1].Stamp+interval.Step())
	}
	if w.Empty() {
		return market.Fetched{}, c.wire.Nonsense(r, errors.New("the candles are older than those asked for"))
	}
	return wire.Answer(Name, rows, w, asked), nil
}

// readError finds code and message in {"code": -1121, "msg": …}; the code is 0 where there is none.
func readError(body []byte) (code int, message string) {
	var answer struct {
		Code    int    `json:"code"`
		Message string `json:"msg"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return 0, ""
	}
	return answer.Code, answer.Message
}

// refusal translates an answer that is not a 200 with JSON, or is one with an error in it. 418 is a ban for having gone on
// after 429; 451 is for the countries that Binance does not serve.
func (c *Client) refusal(r *wire.Reply) error {
	code, message := readError(r.Body)
	kind := wire.KindOf(r.Status, false)
	switch {
	case r.Status == http.StatusTeapot:
		kind = fault.UpstreamRateLimited
	case r.Status == http.StatusUnavailableForLegalReasons:
		kind = fault.UpstreamBlocked
	case code == codeInvalidSymbol:
		kind = fault.UpstreamNotFound
	}
	return wire.Pause(fault.Wrap(kind, c.wire.Refusal(r, code, message)), wire.RetryAfter(r.Header, c.now()))
}
