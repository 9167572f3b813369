package resolvers

import (
	"fmt"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"

	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// QueryLimits is how large an operation may be. 0 is no limit, but for Tokens, whose limit is then the parser's.
type QueryLimits struct {
	Tokens     int // of the document
	Depth      int // of nested fields
	Aliases    int // fields under another name
	Directives int
	Selections int // fields and fragments, each as often as it is reached
	Cost       int // values in the answer: points × fields × assets
}

// DefaultQueryLimits are the limits of a tier that has none of its own.
func DefaultQueryLimits(tier string) QueryLimits {
	l := QueryLimits{Tokens: maxTokens, Depth: 12, Aliases: 100, Directives: 100, Selections: 2000, Cost: 1_000_000}
	if tier == publicTier {
		l.Cost = 100_000
	}
	return l
}

// publicTier is the tier of keys that stand in web pages.
const publicTier = "public"

// work is what an operation would do, found out before it does anything.
type work struct {
	units                                        limit.Units
	depth, aliases, directives, selections, cost int
}

// unitsByName are the units that are charged for it.
func (w *work) unitsByName() map[string]int {
	units := make(map[string]int)
	for e, n := range w.units {
		if n > 0 {
			units[limit.Endpoint(e).String()] = n
		}
	}
	return units
}

// exceeds is the fault of an operation that is larger than the limits, which it names with both values.
func (w *work) exceeds(l QueryLimits) error {
	var over []fault.Field
	for _, c := range []struct {
		name       string
		most, have int
	}{
		{"depth", l.Depth, w.depth},
		{"aliases", l.Aliases, w.aliases},
		{"directives", l.Directives, w.directives},
		{"selections", l.Selections, w.selections},
		{"cost", l.Cost, w.cost},
	} {
		if c.most > 0 && c.have > c.most {
			over = append(over, tooMany(c.name, c.most, c.have))
		}
	}
	if over == nil {
		return nil
	}
	return tooComplex(over)
}

func tooMany(name string, most, have int) fault.Field {
	return fault.Field{Field: name, Message: fmt.Sprintf("the limit is %d, the query has %d", most, have)}
}

func tooComplex(over []fault.Field) error {
	return &fault.Error{Kind: fault.TooComplex, Message: fmt.Sprintf("the query asks for too much: %s: %s", over[0].Field, over[0].Message), Fields: over}
}

// checkTokens refuses a document with more tokens than the limit, before it is parsed. It reads no further than it must.
func checkTokens(query string, most int) error {
	lex := lexer.New(&ast.Source{Input: query})
	for n := 0; ; n++ {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return nil //nolint:nilerr // what is wrong with it is the parser's to say
		}
		if n == most {
			return tooComplex([]fault.Field{{Field: "tokens", Message: fmt.Sprintf("the limit is %d, the query has more", most)}})
		}
	}
}

// measure walks an operation the way the executor will: fields of one name at one place are one, fragments are where they
// are spread. It stops as soon as the selections exceed their limit, so that its own time is bounded by it.
func measure(op *ast.OperationDefinition, variables map[string]any, limits QueryLimits, now time.Time) work {
	m := measurement{variables: variables, most: limits.Selections, now: now}
	m.directives += len(op.Directives)
	m.object([]ast.SelectionSet{op.SelectionSet}, place{parents: 1}, 1)
	return m.work
}

type measurement struct {
	work
	variables map[string]any
	most      int // selections; 0: no limit
	now       time.Time
}

// place is what stands above a field: how many objects have it, and how many elements the lists in them have.
type place struct {
	parents int // objects in the whole answer that the field is a field of
	rows    int // nodes of the connection
	points  int // points of the series
}

func (m *measurement) tooMany() bool { return m.most > 0 && m.selections > m.most }

// object measures the fields of objects that all have the same selections.
func (m *measurement) object(sets []ast.SelectionSet, at place, depth int) {
	m.depth = max(m.depth, depth)
	byName := make(map[string][]*ast.Field)
	var order []string
	seen := make(map[string]bool)
	var collect func(ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, s := range set {
			if m.selections++; m.tooMany() {
				return
			}
			switch s := s.(type) {
			case *ast.Field:
				m.directives += len(s.Directives)
				if m.skipped(s.Directives) {
					continue
				}
				if s.Alias != s.Name {
					m.aliases++
				}
				if byName[s.Alias] == nil {
					order = append(order, s.Alias)
				}
				byName[s.Alias] = append(byName[s.Alias], s)
			case *ast.InlineFragment:
				m.directives += len(s.Directives)
				if !m.skipped(s.Directives) {
					collect(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				m.directives += len(s.Directives)
				if !seen[s.Name] && !m.skipped(s.Directives) {
					seen[s.Name] = true
					collect(s.Definition.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		collect(set)
	}
	for _, name := range order {
		if m.tooMany() {
			return
		}
		fields := byName[name]
		below := m.field(fields[0], at)
		var subsets []ast.SelectionSet
		for _, f := range fields {
			if len(f.SelectionSet) > 0 {
				subsets = append(subsets, f.SelectionSet)
			}
		}
		if subsets == nil {
			m.cost += below.parents
			continue
		}
		if f := fields[0]; f.ObjectDefinition.Name == "__Type" && f.Name == "ofType" {
			// One type's wrappers, however deep: every client that reads the schema asks for nine, more than there are.
			m.object(subsets, below, depth)
			continue
		}
		m.object(subsets, below, depth+1)
	}
}

func (m *measurement) skipped(directives ast.DirectiveList) bool {
	if d := directives.ForName("skip"); d != nil && d.ArgumentMap(m.variables)["if"] == true {
		return true
	}
	d := directives.ForName("include")
	return d != nil && d.ArgumentMap(m.variables)["if"] == false
}

// field counts the units of a field and says what is below it; below a leaf, parents is the number of its values.
func (m *measurement) field(f *ast.Field, at place) place {
	below := place{parents: at.parents, rows: at.rows, points: at.points}
	args := f.ArgumentMap(m.variables)
	switch f.ObjectDefinition.Name + "." + f.Name {
	case "Query.simplePrice":
		below.parents = len(list(args["assets"], id)) * len(list(args["currencies"], currency))
		m.units[limit.SimplePrice] += limit.Hundreds(below.parents)
	case "Query.marketChart":
		m.units[limit.MarketChart]++
		below.points = pointsOf(args, m.now)
	case "Query.onChainMetric":
		m.units[limit.OnChainMetric]++
		below.points = metricArgs("", args).Points(m.now)
	case "Query.onChainMetrics":
		below.parents = at.parents * len(market.AllMetrics()) // about as many
	case "Query.grid":
		req := gridArgs(args)
		for e, n := range gridUnits(req) {
			m.units[e] += n
		}
		below.rows, below.points = len(req.Columns), req.Points(m.now)
	case "Query.asset":
		m.units[limit.SimplePrice]++
	case "Query.assets":
		below.rows = rowsOf(args)
		if args["ids"] != nil {
			below.rows = min(below.rows, len(list(args["ids"], id)))
		}
		m.units[limit.SimplePrice] += limit.Hundreds(below.rows)
	case "Query.quarantine":
		below.rows = rowsOf(args)
	case "Query.logExport":
		below.rows = rowsOf(args)
		m.units[limit.LogExport]++
	case "Query.jobs":
		below.rows = rowsOf(args)
	case "Query.gaps":
		below.parents = len(list(args["assets"], id)) * len(list(args["currencies"], currency))
	case "Upstream.spend":
		below.parents = at.parents * bill.MaxRows
	case "AssetConnection.nodes", "AssetConnection.edges", "LogConnection.nodes", "LogConnection.edges",
		"QuarantineConnection.nodes", "QuarantineConnection.edges", "JobConnection.nodes", "JobConnection.edges", "Grid.columns":
		below.parents = at.parents * at.rows
	case "Asset.price":
		m.units[limit.SimplePrice] += limit.Hundreds(at.parents)
	case "Asset.chart":
		m.units[limit.MarketChart] += at.parents
		below.points = pointsOf(args, m.now)
	case "Asset.onChain":
		m.units[limit.OnChainMetric] += at.parents
		below.points = metricArgs("", args).Points(m.now)
	case "MetricSeries.points", "MetricSeries.timestamps", "MetricSeries.values", "Grid.timestamps", "GridSeries.values",
		"MarketChart.points", "MarketChart.timestamps", "MarketChart.prices", "MarketChart.marketCaps", "MarketChart.volumes":
		below.parents = at.parents * at.points
	}
	return below
}

func rowsOf(args map[string]any) int {
	first, _ := integer("first", args["first"])
	rows, _ := relay.First(first)
	return rows
}

func pointsOf(args map[string]any, now time.Time) int {
	return chartArgs("", args).Points(now)
}
