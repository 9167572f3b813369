package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/web/gecko"
	"github.com/coingraph/coingraph/web/openapi"
)

// geckoPing is https://docs.coingecko.com/reference/ping-server
func (h *Handler) geckoPing() *operation {
	op := h.geckoOperation("/ping", "geckoPing", "Whether the API answers", "Needs a key like all others, and costs nothing.")
	const body = `{"gecko_says":"(V3) To the Moon!"}`
	op.answers = []answer{{description: "It does.", headers: rated, content: []content{{
		plainJSON, object("", property("gecko_says", typed("", "string"))), json.RawMessage(body),
	}}}}
	op.serve = func(w http.ResponseWriter, r *http.Request, _ *parameters) error {
		return h.uncached(w, r, []byte(body))
	}
	return op
}

// uncached answers with what is of this moment.
func (h *Handler) uncached(w http.ResponseWriter, r *http.Request, body []byte) error {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", plainJSON+"; charset=utf-8")
	h.rateHeaders(w, r)
	_, _ = w.Write(body)
	return nil
}

// geckoCurrencies is https://docs.coingecko.com/reference/simple-supported-currencies
func (h *Handler) geckoCurrencies() *operation {
	op := h.geckoOperation("/simple/supported_vs_currencies", "geckoSupportedVsCurrencies", "The currencies", "Those of this server's whitelist. Costs one unit of `simple_price`.")
	op.answers = []answer{{description: "In lower case.", headers: slices.Concat([]string{"ETag", "Cache-Control"}, rated), content: []content{{
		plainJSON, listOf("", typed("", "string")), []string{"btc", "eth", "usd"},
	}}}}
	op.serve = func(w http.ResponseWriter, r *http.Request, _ *parameters) error {
		currencies, err := h.opts.Resolver.Currencies(r.Context())
		if err != nil {
			return err
		}
		body, err := json.Marshal(currencies)
		if err != nil {
			return err
		}
		return h.data(w, r, geckoRendering(rendering{body: body, freshUntil: h.now().Add(currenciesTTL)}))
	}
	return op
}

// currenciesTTL is how long clients may keep what only a restart changes.
const currenciesTTL = 30 * time.Minute

// geckoCoinsList is https://docs.coingecko.com/reference/coins-list
func (h *Handler) geckoCoinsList() *operation {
	op := h.geckoOperation("/coins/list", "geckoCoinsList", "All assets", "Costs one unit of `simple_price` for each started 100 rows. "+
		"With `include_platform` the rows are the provider's own.")
	op.parameters = []parameter{
		flagParameter("include_platform", "Adds the contract addresses of tokens."),
		{name: "status", values: wordValues("active"), description: "Only active assets are listed."},
	}
	op.answers = []answer{{description: "Ascending by id.", headers: slices.Concat(cached, rated), content: []content{{
		plainJSON, listOf("", openapi.Ref("CoinGeckoCoin")), []any{map[string]string{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}},
	}}}}
	op.faults = upstreamFaults
	op.serve = func(w http.ResponseWriter, r *http.Request, p *parameters) error {
		if flag(p, "include_platform") {
			return h.passOn(w, r, market.PlatformsQuery{})
		}
		all, err := h.opts.Resolver.Catalogue(r.Context())
		if err != nil {
			return err
		}
		return h.data(w, r, geckoRendering(rendering{body: h.coins.of(all), fetchedAt: all.FetchedAt, freshUntil: all.FreshUntil}))
	}
	return op
}

// passOn answers with a provider's document.
func (h *Handler) passOn(w http.ResponseWriter, r *http.Request, q market.DocumentQuery) error {
	d, err := h.opts.Resolver.Document(r.Context(), q)
	if err != nil {
		return err
	}
	return h.data(w, r, geckoRendering(rendering{body: d.Body, fetchedAt: d.FetchedAt, freshUntil: d.FreshUntil}))
}

const maxPage = 250 // rows

// geckoMarkets is https://docs.coingecko.com/reference/coins-markets
func (h *Handler) geckoMarkets() *operation {
	op := h.geckoOperation("/coins/markets", "geckoCoinsMarkets", "Assets with their market data, a page at a time",
		"The provider's own rows. The headers `Total`, `Per-Page` and `Link` say where the page stands. Costs one unit of `simple_price` for each started 100 rows of a page.")
	names := selection()
	for i := range names[:3] {
		names[i].values = wordListValues(maxPage)
	}
	op.parameters = append([]parameter{h.geckoCurrency()}, names...)
	op.parameters = append(op.parameters,
		parameter{name: "category", values: slugValues(), description: "A category's id, such as `layer-1`."},
		parameter{
			name: "order", example: "market_cap_desc", description: "How the rows are ordered; by market capitalisation if it does not say.",
			values: wordValues("market_cap_asc", "market_cap_desc", "volume_asc", "volume_desc", "id_asc", "id_desc"),
		},
		parameter{name: "per_page", fallback: "100", values: pageValues(maxPage), example: "100", description: "Rows of a page; above 250 there are 250."},
		parameter{name: "page", fallback: "1", values: pageValues(maxPages), example: "1", description: "Which page."},
		flagParameter("sparkline", "Adds the prices of 7 days."),
		parameter{name: "price_change_percentage", values: spanListValues(), example: "1h,24h", description: "Adds changes over these spans: 1h, 24h, 7d, 14d, 30d, 200d, 1y."},
		parameter{name: "locale", values: slugValues(), description: "The language of names, such as `en`."},
		precisionParameter,
	)
	op.answers = []answer{{
		description: "The rows.", headers: slices.Concat(cached, rated, []string{"Total", "Per-Page", "Link"}),
		content: []content{{plainJSON, listOf("", openapi.Ref("CoinGeckoMarket")), []any{map[string]any{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin", "current_price": 136459}}}},
	}}
	op.faults = append([]fault.Kind{fault.UpstreamPlan}, upstreamFaults...)
	op.serve = h.serveGeckoMarkets
	return op
}

const maxPages = 1_000_000

func (h *Handler) serveGeckoMarkets(w http.ResponseWriter, r *http.Request, p *parameters) error {
	q := market.MarketsQuery{
		Currency: vsCurrency(p), Category: p.text("category"), Order: p.text("order"), Sparkline: flag(p, "sparkline"),
		PriceChangePercentage: words(p, "price_change_percentage"), Locale: p.text("locale"), Precision: p.text("precision"),
	}
	q.PerPage, _ = gecko.Page(p.text("per_page"), maxPage)
	q.Page, _ = gecko.Page(p.text("page"), maxPages)
	switch by, list := selected(p); by {
	case market.ByName:
		q.Names = list
	case market.BySymbol:
		q.Symbols = list
	case market.ByID:
		known, err := h.opts.Resolver.KnownAssets(r.Context(), list)
		if err != nil {
			return err
		}
		if len(list) > 0 && len(known) == 0 {
			return h.data(w, r, geckoRendering(rendering{body: []byte("[]"), freshUntil: h.now()}))
		}
		q.IDs = known
	}
	d, err := h.opts.Resolver.Document(r.Context(), q)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Per-Page", strconv.Itoa(q.PerPage))
	if d.Total >= 0 {
		header.Set("Total", strconv.Itoa(d.Total))
		if links := pageLinks(r.URL, q.Page, (d.Total+q.PerPage-1)/q.PerPage); links != "" {
			header.Set("Link", links)
		}
	}
	return h.data(w, r, geckoRendering(rendering{body: d.Body, fetchedAt: d.FetchedAt, freshUntil: d.FreshUntil}))
}

// pageLinks is the header Link (RFC 8288) of a page. A key that stood in the query is not in it.
func pageLinks(u *url.URL, page, pages int) string {
	query := u.Query()
	for _, name := range geckoParameters {
		query.Del(name)
	}
	var links []string
	link := func(rel string, n int) {
		query.Set("page", strconv.Itoa(n))
		links = append(links, fmt.Sprintf(`<%s?%s>; rel="%s"`, geckoPath+"/coins/markets", query.Encode(), rel))
	}
	if page > 1 {
		link("first", 1)
		link("prev", min(page-1, max(pages, 1)))
	}
	if page < pages {
		link("next", page+1)
		link("last", pages)
	}
	return strings.Join(links, ", ")
}

// slugValues are words of letters, digits, - and _.
func slugValues() values {
	const message = "must be a word of at most 100 letters, digits, - and _"
	return values{
		schema: &openapi.Schema{Type: openapi.Types{"string"}, MaxLength: 100, Pattern: `^[A-Za-z0-9_-]+$`},
		check: func(field string, a argument) []fault.Field {
			if len(a.text) > 100 || strings.ContainsFunc(a.text, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
			}) {
				return bad(field, message)
			}
			return nil
		},
	}
}

func spanListValues() values {
	spans := []string{"1h", "24h", "7d", "14d", "30d", "200d", "1y"}
	return values{
		schema: listOf("", typed("", "string")), list: len(spans) + 1,
		check: func(field string, a argument) []fault.Field {
			for _, s := range a.list {
				if !slices.Contains(spans, strings.TrimSpace(s)) {
					return bad(field, "must be some of "+strings.Join(spans, ", "))
				}
			}
			return nil
		},
	}
}

// geckoCandles is https://docs.coingecko.com/reference/coins-id-ohlc
func (h *Handler) geckoCandles() *operation {
	op := h.geckoOperation("/coins/{id}/ohlc", "geckoOhlc", "Open, high, low and close", "The provider's own rows: the closing time in Unix milliseconds, open, high, low, close. Costs one unit of `market_chart`.")
	op.parameters = []parameter{
		geckoID, h.geckoCurrency(),
		{name: "days", required: true, values: given(wordValues("1", "7", "14", "30", "90", "180", "365", "max")), example: "7", description: "How many days up to now, which decides the step."},
		{name: "interval", values: wordValues("daily", "hourly"), description: "The step, for paid plans of the server's."},
		precisionParameter,
	}
	op.answers = []answer{{description: "Ascending.", headers: slices.Concat(cached, rated), content: []content{{
		plainJSON, listOf("", listOf("", typed("", "number", "null"))), [][]float64{{1795510800000, 136104, 136688, 135978, 136459}},
	}}}}
	op.faults = chartFaults
	op.serve = func(w http.ResponseWriter, r *http.Request, p *parameters) error {
		id, err := assetOf(p)
		if err != nil {
			return err
		}
		return h.passOn(w, r, market.CandlesQuery{Asset: id, Currency: vsCurrency(p), Days: p.text("days"), Interval: p.text("interval"), Precision: p.text("precision")})
	}
	return op
}

// geckoHistory is https://docs.coingecko.com/reference/coins-id-history
func (h *Handler) geckoHistory() *operation {
	op := h.geckoOperation("/coins/{id}/history", "geckoHistory", "An asset at the beginning of a day", "The provider's own answer: price, market capitalisation and volume at 00:00 UTC, in all currencies. Costs one unit of `market_chart`.")
	op.parameters = []parameter{
		geckoID,
		{name: "date", required: true, values: given(dayValues(h)), example: "2026-01-31", description: "The day, as `31-01-2026` or `2026-01-31`."},
		{name: "localization", values: values{schema: &openapi.Schema{Type: openapi.Types{"boolean"}}}, description: "`false` leaves out the names in other languages."},
	}
	op.answers = []answer{{description: "The snapshot; without `market_data` before the asset was listed.", headers: slices.Concat(cached, rated), content: []content{{
		plainJSON, openapi.Ref("CoinGeckoSnapshot"), map[string]any{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"},
	}}}}
	op.faults = chartFaults
	op.serve = func(w http.ResponseWriter, r *http.Request, p *parameters) error {
		id, err := assetOf(p)
		if err != nil {
			return err
		}
		date, _ := gecko.Day(p.text("date"))
		return h.passOn(w, r, market.SnapshotQuery{Asset: id, Date: date, Localization: !strings.EqualFold(p.text("localization"), "false")})
	}
	return op
}

func dayValues(h *Handler) values {
	return values{
		schema: &openapi.Schema{Type: openapi.Types{"string"}, Pattern: `^(\d\d-\d\d-\d{4}|\d{4}-\d\d-\d\d)$`},
		check: func(field string, a argument) []fault.Field {
			day, ok := gecko.Day(a.text)
			if !ok || day.Before(market.Genesis()) || day.After(h.now()) {
				return bad(field, "must be a day from 2009-01-03 to today, such as 31-01-2026 or 2026-01-31")
			}
			return nil
		},
	}
}
