package coingecko

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
)

// rankedPages serves pages of rows coin-0, coin-1, … up to a total.
func rankedPages(t *testing.T, total int) *wiretest.Upstream {
	return wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/api/v3/coins/markets" || q.Get("order") != "market_cap_desc" || q.Get("per_page") != "250" || q.Get("vs_currency") != "usd" {
			t.Errorf("asked for %s", r.URL)
		}
		page, err := strconv.Atoi(q.Get("page"))
		if err != nil {
			t.Error(err)
		}
		var rows []string
		for i := (page - 1) * 250; i < min(total, page*250); i++ {
			rows = append(rows, fmt.Sprintf(`{"id":"coin-%d","symbol":"c","market_cap":1}`, i))
		}
		wiretest.Answer([]byte("["+strings.Join(rows, ",")+"]"))(w, r)
	})
}

func TestRanking(t *testing.T) {
	for _, c := range []struct{ total, n, want, calls int }{{600, 3, 3, 1}, {600, 250, 250, 1}, {600, 251, 251, 2}, {600, 5000, 600, 3}, {500, 5000, 500, 3}} {
		u := rankedPages(t, c.total)
		ids, err := client(t, u, Public, midMarch).Ranking(t.Context(), wiretest.Once, c.n)
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) != c.want || ids[0] != "coin-0" || ids[c.want-1] != fmt.Sprint("coin-", c.want-1) || len(u.Requests()) != c.calls {
			t.Errorf("%+v: %d ids by %d calls", c, len(ids), len(u.Requests()))
		}
	}
}

func TestRankingIsReadStrictly(t *testing.T) {
	for _, body := range []string{`{}`, `[{"symbol":"btc"}]`, `[{"id":null}]`, `[{"id":7}]`, `[{"id":"a"},{"id":"a"}]`, `[{"id":"a"}`} {
		ids, err := client(t, wiretest.Serve(t, wiretest.Answer([]byte(body))), Public, midMarch).Ranking(t.Context(), wiretest.Once, 10)
		if !fault.Is(err, fault.UpstreamNonsense) || ids != nil {
			t.Errorf("%s: %v, %v", body, ids, err)
		}
	}
	got, err := client(t, wiretest.Serve(t, wiretest.Answer([]byte(`[{"id":"bitcoin"},{"id":"a/b"},{"id":"ethereum"}]`))), Public, midMarch).Ranking(t.Context(), wiretest.Once, 10)
	if err != nil || !slices.Equal(got, []string{"bitcoin", "ethereum"}) {
		t.Errorf("got %v, %v", got, err)
	}
}
