package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coingraph/coingraph/fault"
)

// TestUndeclaredParametersPanic: a handler cannot read what the document does not have.
func TestUndeclaredParametersPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	op := &operation{id: "op", parameters: []parameter{{name: "a"}}}
	p, err := op.read(httptest.NewRequest(http.MethodGet, "/?a=1&b=2", nil))
	if err != nil || p.text("a") != "1" {
		t.Fatalf("%v", err)
	}
	p.text("b")
}

// TestClosedOperations refuse each parameter that they do not declare, beside what else is wrong.
func TestClosedOperations(t *testing.T) {
	op := &operation{id: "op", closed: true, parameters: []parameter{{name: "a", values: daysValues()}, {name: "b"}}}
	for query, want := range map[string]string{
		"": "", "a=1": "", "a=1&b=x": "", "c=1": "c", "d=1&c=": "c d", "a=zero&c=1": "a c", "b=1&b=2&c=1&c=2": "b c",
	} {
		_, err := op.read(httptest.NewRequest(http.MethodGet, "/?"+query, nil))
		var fields []string
		if f := fault.Of(err); f != nil {
			for _, bad := range f.Fields {
				fields = append(fields, bad.Field)
			}
		}
		if got := strings.Join(fields, " "); got != want {
			t.Errorf("%q: %q is refused, want %q", query, got, want)
		}
	}
}

// BenchmarkRead is what the declaration costs a request, of which parsing the query is most.
func BenchmarkRead(b *testing.B) {
	h := described(b)
	op := h.marketChartOperation()
	r := httptest.NewRequest(http.MethodGet, "/market_chart?asset=bitcoin&currency=usd&days=30&interval=daily", nil)
	b.Run("declared", func(b *testing.B) {
		for b.Loop() {
			if _, err := op.read(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("query alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := parse(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
