package web

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/coingraph/coingraph/resolvers"
)

// TestNoKeyIsKept: a query is kept only if all of its parameters are declared ones, under their own names: never with a
// key in it.
func TestNoKeyIsKept(t *testing.T) {
	h := described(t)
	h.opts.Resolver.Answers = resolvers.NewAnswers(1<<20, time.Now)
	for target, want := range map[string]bool{
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd":                            true,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=":                               true,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&x_cg_demo_api_key=secret":   false,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&x_cg_pro_api_key=secret":    false,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&x%5Fcg_demo_api_key=secret": false,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&api_key=secret":             false,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&secret":                     false,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&&":                          false,
		"/api/v3/simple/price?%69ds=bitcoin&vs_currencies=usd":                          false,
		"/api/v3/simple%2Fprice?ids=bitcoin&vs_currencies=usd":                          false,
		"/api/v3/simple/price": false,
		"/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&include_last_updated_at=yes": true,
	} {
		asked := h.asked(httptest.NewRequest(http.MethodGet, target, nil), h.geckoSimplePrice(), false)
		if got := !reflect.DeepEqual(asked, resolvers.Asked{}); got != want {
			t.Errorf("%s: kept %v, want %v", target, got, want)
		}
	}
}

// TestGeckoKeys are found wherever a client may put them, and however it spells the parameter.
func TestGeckoKeys(t *testing.T) {
	for target, want := range map[string][]string{
		"/":                                {"a", "b", "c"},
		"/?ids=x":                          {"a", "b", "c"},
		"/?ids=x&x_cg_demo_api_key=d":      {"a", "b", "c", "d"},
		"/?x_cg_pro_api_key=d&ids=x":       {"a", "b", "c", "d"},
		"/?x%5fcg_pro_api_key=d%2Fe":       {"a", "b", "c", "d/e"},
		"/?x_cg_pro_api_key=d;e&ids=x":     {"a", "b", "c"},
		"/?x_cg_pro_api_key":               {"a", "b", "c", ""},
		"/?x_cg_demo_api_keys=d&id%73=a%b": {"a", "b", "c"},
	} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Add("X-API-Key", "a")
		r.Header.Add("x-cg-demo-api-key", "b")
		r.Header.Add("x-cg-pro-api-key", "c")
		if got := geckoKeys(r); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
		if got := r.Header.Values("X-API-Key"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("%s: the header became %q", target, got)
		}
	}
}
