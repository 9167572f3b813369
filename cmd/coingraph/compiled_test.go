package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/graph"
	"github.com/coingraph/coingraph/resolvers/compiled"
)

// drawn draws operations at random.
type drawn struct {
	*rand.Rand
	variables   map[string]any
	definitions []string
	fragments   []string
}

// The fields that may be drawn, by type; others have arguments or fields of their own.
var (
	drawnPrice    = []string{"currency", "price", "marketCap", "volume24h", "change24h", "lastUpdatedAt", "fetchedAt", "source", "stale", "__typename"}
	drawnChart    = []string{"currency", "interval", "days", "from", "to", "sources", "fetchedAt", "stale", "timestamps", "prices", "marketCaps", "volumes", "__typename"}
	drawnMetric   = []string{"metric", "interval", "days", "unit", "sources", "fetchedAt", "stale", "timestamps", "values", "__typename"}
	drawnAsset    = []string{"id", "symbol", "name", "__typename"}
	drawnIDs      = []string{"bitcoin", "ethereum", "tether", "solana", "dogecoin"}
	drawnCurrency = []string{"USD", "EUR", "BTC"}
)

// some are a few of the fields in any order, some of them under another name, and perhaps some in a fragment.
func (d *drawn) some(onType string, fields []string, more ...func() string) string {
	chosen := d.Perm(len(fields) + len(more))[:1+d.IntN(len(fields)+len(more))]
	all := make([]string, len(chosen))
	for i, at := range chosen {
		if at < len(fields) {
			all[i] = fields[at]
		} else {
			all[i] = more[at-len(fields)]() // drawn only if it is used: so are its variables and fragments
		}
		if d.IntN(4) == 0 {
			all[i] = fmt.Sprintf("a%d: %s", i, all[i])
		}
	}
	switch cut := d.IntN(len(all) + 1); d.IntN(4) {
	case 0:
		return strings.Join(all[:cut], " ") + " ... on " + onType + " { " + strings.Join(append(all[cut:], "x: __typename"), " ") + " }"
	case 1:
		name := fmt.Sprintf("F%d", len(d.fragments))
		d.fragments = append(d.fragments, "fragment "+name+" on "+onType+" { "+strings.Join(append(slices.Clone(all[cut:]), "y: __typename"), " ")+" }")
		return strings.Join(all[:cut], " ") + " ..." + name
	}
	return strings.Join(all, " ")
}

// value is a literal, or a variable that has it.
func (d *drawn) value(typeName, literal string, v any) string {
	if d.IntN(2) == 0 {
		return literal
	}
	name := fmt.Sprintf("v%d", len(d.variables))
	d.variables[name] = v
	d.definitions = append(d.definitions, "$"+name+": "+typeName)
	return "$" + name
}

func (d *drawn) pick(from []string) string { return from[d.IntN(len(from))] }

func (d *drawn) id() string {
	id := d.pick(drawnIDs)
	return d.value("ID!", `"`+id+`"`, id)
}

func (d *drawn) ids() string {
	ids := make([]string, 1+d.IntN(4))
	quoted := make([]string, len(ids))
	for i := range ids {
		ids[i] = d.pick(drawnIDs)
		quoted[i] = `"` + ids[i] + `"`
	}
	if d.IntN(3) == 0 {
		return "[" + d.id() + "]"
	}
	return d.value("[ID!]!", "["+strings.Join(quoted, ", ")+"]", ids)
}

func (d *drawn) currency() string {
	if d.IntN(3) == 0 {
		return ""
	}
	c := d.pick(drawnCurrency)
	return ", currency: " + d.value("Currency!", c, c)
}

func (d *drawn) span() string {
	days := []int{1, 2, 7, 30}[d.IntN(4)]
	span := ", days: " + d.value("Days!", fmt.Sprint(days), days)
	if d.IntN(2) == 0 {
		interval := []string{"DAILY", "HOURLY"}[d.IntN(2)]
		span += ", interval: " + d.value("Interval!", interval, interval)
	}
	return span
}

func (d *drawn) coverage() string {
	holes := func() string {
		return "holes { " + d.some("Hole", []string{"from", "to", "reason", "__typename"}) + " }"
	}
	return "coverage { " + d.some("Coverage", []string{"complete", "from", "to", "__typename"}, holes) + " }"
}

func (d *drawn) plainAsset() string { return "asset { " + d.some("Asset", drawnAsset) + " }" }

func (d *drawn) price() string {
	return " { " + d.some("SimplePrice", drawnPrice, d.plainAsset) + " }"
}

func (d *drawn) chart() string {
	points := func() string {
		return "points { " + d.some("ChartPoint", []string{"timestamp", "price", "marketCap", "volume", "__typename"}) + " }"
	}
	return " { " + d.some("MarketChart", drawnChart, d.plainAsset, d.coverage, points) + " }"
}

func (d *drawn) metric() string {
	points := func() string {
		return "points { " + d.some("MetricPoint", []string{"timestamp", "value", "__typename"}) + " }"
	}
	return " { " + d.some("MetricSeries", drawnMetric, d.plainAsset, d.coverage, points) + " }"
}

func (d *drawn) asset() string {
	return " { " + d.some("Asset", drawnAsset,
		func() string { return "price" + strings.Replace(parenthesised(d.currency()), "()", "", 1) + d.price() },
		func() string { return "chart" + parenthesised(d.span()+d.currency()) + d.chart() },
		func() string {
			return "onChain" + parenthesised(", metric: "+d.pick([]string{"MVRV", "SOPR", "FEES"})+d.span()) + d.metric()
		}) + " }"
}

// parenthesised drops the comma in front.
func parenthesised(args string) string { return "(" + strings.TrimPrefix(args, ", ") + ")" }

func (d *drawn) root(n int) string {
	alias := ""
	if n > 0 {
		alias = fmt.Sprintf("r%d: ", n)
	}
	switch d.IntN(5) {
	case 0:
		currencies := ""
		if d.IntN(2) == 0 {
			currencies = ", currencies: " + d.value("[Currency!]!", "[USD, EUR]", []string{"USD", "EUR"})
		}
		return alias + "simplePrice(assets: " + d.ids() + currencies + ")" + d.price()
	case 1:
		return alias + "marketChart(asset: " + d.id() + d.span() + d.currency() + ")" + d.chart()
	case 2:
		return alias + "onChainMetric(asset: " + d.id() + ", metric: " + d.pick([]string{"MVRV", "SOPR", "FEES"}) + d.span() + ")" + d.metric()
	case 3:
		return alias + "asset(id: " + d.id() + ")" + d.asset()
	default:
		return alias + "assets(ids: " + d.ids() + ") { nodes" + d.asset() + " }"
	}
}

// operation is a document and its variables.
func draw(r *rand.Rand) (document string, variables map[string]any) {
	d := &drawn{Rand: r, variables: make(map[string]any)}
	var roots []string
	for n := range 1 + r.IntN(3) {
		roots = append(roots, d.root(n))
	}
	definitions := ""
	if len(d.definitions) > 0 {
		definitions = "(" + strings.Join(d.definitions, ", ") + ")"
	}
	return "query Q" + definitions + " { " + strings.Join(roots, " ") + " } " + strings.Join(d.fragments, " "), d.variables
}

// TestCompiledIsExecuted: what the compiled form answers is, byte for byte, what the executor answers, with its cost and what it
// is charged. An extension that nobody knows makes an operation the executor's.
func TestCompiledIsExecuted(t *testing.T) {
	clock := time.Now().UTC().Truncate(time.Second)
	s := startOn(t, simulator.Options{Now: func() time.Time { return clock }, CryptoQuant: simulator.CryptoQuant{Keys: []string{"token"}}}, map[string]string{
		"QUERY_LIMITS": "public/cost=1000000",
	})
	s.stop()
	s.env["CRYPTOQUANT_BASE_URL"], s.env["CRYPTOQUANT_API_KEY"] = strings.TrimSuffix(s.env["COINGECKO_BASE_URL"], "/api/v3")+"/v1", "token"
	s.open()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	r := rand.New(rand.NewPCG(8, 8))
	compiledOnes := 0
	for range 250 {
		document, variables := draw(r)
		parsed, err := gqlparser.LoadQueryWithRules(schema, document, rules.NewDefaultRules())
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		if compiled.Compile(parsed.Operations[0]) != nil {
			compiledOnes++
		}
		executed := s.answer(document, variables, map[string]any{"unknown": true})
		for range 3 { // with the values from wherever, from memory, and the answer that was kept
			if got := s.answer(document, variables, nil); got != executed {
				t.Fatalf("%s\n%v\ncompiled: %.2000s\nexecuted: %.2000s", document, variables, got, executed)
			}
		}
	}
	if compiledOnes < 210 { // some are drawn whose fields would have to be merged
		t.Errorf("only %d of 250 operations were compiled", compiledOnes)
	}
}

// answer is the answer's body and what is left of the caller's units after it, which both must not depend on how it was made.
func (s *server) answer(document string, variables, extensions map[string]any) string {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables, "extensions": extensions})
	if err != nil {
		s.t.Fatal(err)
	}
	before := s.units()
	answer := s.post(string(body))
	return fmt.Sprint(before-s.units(), " units: ", answer)
}

// units is how many units of all kinds the caller has left.
func (s *server) units() int {
	s.t.Helper()
	var got struct {
		Data struct {
			Viewer struct{ Limits []struct{ Remaining int } }
		}
	}
	if err := json.Unmarshal([]byte(s.post(`{"query":"{ viewer { limits { remaining } } }"}`)), &got); err != nil {
		s.t.Fatal(err)
	}
	sum := 0
	for _, l := range got.Data.Viewer.Limits {
		sum += l.Remaining
	}
	return sum
}

func (s *server) post(body string) string {
	s.t.Helper()
	got := s.do(http.MethodPost, "/graphql", publicKey, map[string]string{"Content-Type": plain}, body)
	if got.status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", body, got.status, got.body)
	}
	return got.body
}

// TestLeftToTheExecutor: what only the executor knows to do has no compiled form.
func TestLeftToTheExecutor(t *testing.T) {
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	for _, document := range []string{
		`{ viewer { id } }`,
		`{ __schema { types { name } } }`,
		`{ __typename }`,
		`mutation { refresh { id } }`,
		`{ simplePrice(assets: ["bitcoin"]) { price @skip(if: true) } }`,
		`query Q($x: Boolean!) { simplePrice(assets: ["bitcoin"]) @include(if: $x) { price } }`,
		`{ simplePrice(assets: ["bitcoin"]) { price price } }`,
		`{ simplePrice(assets: ["bitcoin"]) { asset { chart(days: 1) { prices } } } }`,
		`{ assets(ids: ["bitcoin"]) { totalCount nodes { id } } }`,
		`{ assets(search: "bit") { nodes { id } } }`,
		`{ logExport { totalCount } }`,
		`{ grid(columns: [{asset: "bitcoin"}], days: 1) { timestamps } }`,
		`query Q($n: Int) { simplePrice(assets: ["bitcoin"], freshness: {maxAgeSeconds: $n}) { price } }`,
	} {
		parsed, err := gqlparser.LoadQueryWithRules(schema, document, rules.NewDefaultRules())
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		if op := parsed.Operations[0]; compiled.Compile(op) != nil {
			t.Errorf("compiled: %s", document)
		}
	}
}
