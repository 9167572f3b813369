package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/coingraph/coingraph/fault"
)

// /api/v3 is CoinGecko's own API, so that its clients move over by changing a base URL: https://docs.coingecko.com/reference.
// docs/coingecko.md says what is different.

const geckoPath = "/api/v3"

// Where CoinGecko's clients put their key: one header and one parameter for each of its two hosts. Either is taken.
var (
	geckoHeaders    = []string{"x-cg-demo-api-key", "x-cg-pro-api-key"}
	geckoParameters = []string{"x_cg_demo_api_key", "x_cg_pro_api_key"}

	geckoHeaderNames = [...]string{http.CanonicalHeaderKey(geckoHeaders[0]), http.CanonicalHeaderKey(geckoHeaders[1])}
	byGeckoCaller    = byCaller + vary(", "+geckoHeaders[0]+", "+geckoHeaders[1])
)

// speaksGecko tells whether a request is one to CoinGecko's API.
func speaksGecko(r *http.Request) bool {
	return r.URL.Path == geckoPath || strings.HasPrefix(r.URL.Path, geckoPath+"/")
}

// geckoAccess is keyed, with the key also where CoinGecko's clients put it, and open to whoever has none if the operator
// wants that.
func (h *Handler) geckoAccess() access {
	a := h.keyed()
	a.schemes = append(a.schemes, schemeDemoHeader, schemeProHeader, schemeDemoParameter, schemeProParameter)
	a.keyless = h.opts.KeylessTier != ""
	a.identify = h.identifyGecko
	return a
}

func (h *Handler) identifyGecko(next http.Handler) http.Handler {
	return h.identify(next, geckoKeys, h.opts.KeylessTier)
}

// geckoKeys are all the keys that a request shows.
func geckoKeys(r *http.Request) []string {
	keys := slices.Clip(r.Header["X-Api-Key"])
	for _, name := range geckoHeaderNames {
		keys = append(keys, r.Header[name]...)
	}
	if mayName(r.URL.RawQuery, geckoParameters) {
		query := r.URL.Query()
		for _, name := range geckoParameters {
			keys = append(keys, query[name]...)
		}
	}
	return keys
}

// mayName tells whether a query has one of the parameters, or one that is spelt so that it takes parsing to know.
func mayName(query string, names []string) bool {
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if slices.Contains(names, name) || strings.ContainsAny(name, "%+") {
			return true
		}
	}
	return false
}

// trimGeckoPath takes a slash at the end of a path for none, as CoinGecko does.
func trimGeckoPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if speaksGecko(r) {
			path := r.URL.RawPath
			if path == "" {
				path = r.URL.Path
			}
			chi.RouteContext(r.Context()).RoutePath = strings.TrimSuffix(path, "/")
		}
		next.ServeHTTP(w, r)
	})
}

// unservedGecko answers for all paths below that none of the operations has.
func (h *Handler) unservedGecko(r chi.Router) {
	r.With(h.limit, h.identifyGecko).Get(geckoPath+"/*", h.handle(func(_ http.ResponseWriter, r *http.Request) error {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, geckoPath+"/"), "/")
		if slices.Contains(geckoFamilies, first) {
			return fault.New(fault.NotImplemented, "coingraph does not serve this endpoint of CoinGecko's API. Those that it serves are at /openapi.json")
		}
		return errIncorrectPath
	}))
}

// geckoFamilies are the first segments of CoinGecko's paths.
var geckoFamilies = []string{
	"asset_platforms", "coins", "companies", "derivatives", "entities", "exchange_rates", "exchanges", "global", "indexes", "insights", "key",
	"news", "nfts", "onchain", "ping", "public_treasury", "search", "simple", "token_lists",
}

// geckoOperations are the parts of CoinGecko's API that are served.
func (h *Handler) geckoOperations() []*operation {
	return []*operation{
		h.geckoPing(), h.geckoKey(), h.geckoSimplePrice(), h.geckoCurrencies(), h.geckoCoinsList(), h.geckoMarkets(),
		h.geckoChart(), h.geckoChartRange(), h.geckoCandles(), h.geckoHistory(),
	}
}

// geckoOperation declares what is the same of all.
func (h *Handler) geckoOperation(path, id, summary, description string) *operation {
	return &operation{
		method: http.MethodGet, path: geckoPath + path, id: id, tag: tagGecko, summary: summary, description: description,
		access: h.geckoAccess(), form: &geckoErrors,
	}
}

// geckoRendering is an answer in JSON, whose caches must tell the keys apart.
func geckoRendering(a rendering) rendering {
	a.media, a.vary = plainJSON+"; charset=utf-8", byGeckoCaller
	return a
}
