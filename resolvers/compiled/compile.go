package compiled

import (
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/coingraph/coingraph/market"
)

// Operation is a compiled operation. It is safe for concurrent use.
type Operation struct {
	// What the operation has of each, as it is measured; see resolvers.QueryLimits.
	Depth, Aliases, Selections int

	name     string
	roots    []root
	defaults map[string]any
}

// Name is the operation's own name, or "".
func (o *Operation) Name() string { return o.name }

// Fields are the names of the root fields.
func (o *Operation) Fields() []string {
	names := make([]string, len(o.roots))
	for i, r := range o.roots {
		names[i] = "Query." + r.field
	}
	return names
}

// rootKind is what a root field asks for.
type rootKind uint8

const (
	rootPrices rootKind = iota
	rootChart
	rootMetric
	rootAsset
	rootAssets
)

// root is a root field.
type root struct {
	kind  rootKind
	field string // its name in the schema
	key   string // `"name":` as the answer has it
	args  arguments

	price    *object // of rootPrices
	series   *object // of rootChart and rootMetric
	asset    *object // of rootAsset, and of rootAssets' nodes
	nodesKey string  // of rootAssets: `{"nodes":`, under its alias
}

// object is the writers of one object's fields.
type object struct {
	fields []field
	leaves int // fields without fields of their own, those of objects below among them, as often as the object is there
	points int // likewise, as often as its series has points
	edges  []edge
}

// field is a member of an object.
type field struct {
	key  string // `,"name":`, of the first `"name":`
	kind fieldKind
	sub  *object // of an object below
	edge int     // of an edge: which
	text string  // of a constant

	first, last market.PriceValue // of the values of a price
}

// edge is a price or a series of an asset.
type edge struct {
	kind rootKind
	args arguments
	sub  *object
}

// compiler walks an operation once.
type compiler struct {
	o      *Operation
	failed bool
}

// maxSelections bounds the walk: larger operations are refused by most limits anyway.
const maxSelections = 2000

// Compile compiles an operation that was validated; nil: it is one for the executor.
func Compile(op *ast.OperationDefinition) *Operation {
	if op.Operation != ast.Query || len(op.Directives) > 0 {
		return nil
	}
	c := &compiler{o: &Operation{name: op.Name, defaults: make(map[string]any)}}
	for _, v := range op.VariableDefinitions {
		if len(v.Directives) > 0 {
			return nil
		}
		if v.DefaultValue != nil {
			value, err := v.DefaultValue.Value(nil)
			if err != nil {
				return nil
			}
			c.o.defaults[v.Variable] = value
		}
	}
	c.o.Depth = 1
	for i, f := range c.fields(op.SelectionSet) {
		r, ok := c.root(f)
		if !ok || c.failed {
			return nil
		}
		if i > 0 {
			r.key = "," + r.key
		}
		c.o.roots = append(c.o.roots, r)
	}
	if c.failed || len(c.o.roots) == 0 {
		return nil
	}
	return c.o
}

// fields are the fields of a selection set, those of its fragments among them. It fails for directives and where two
// fields of one name would have to be merged.
func (c *compiler) fields(set ast.SelectionSet) []*ast.Field {
	var fields []*ast.Field
	seen, spread := make(map[string]bool), make(map[string]bool)
	var collect func(ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, s := range set {
			if c.o.Selections++; c.o.Selections > maxSelections {
				c.failed = true
			}
			if c.failed {
				return
			}
			switch s := s.(type) {
			case *ast.Field:
				if len(s.Directives) > 0 || seen[s.Alias] {
					c.failed = true
					return
				}
				seen[s.Alias] = true
				if s.Alias != s.Name {
					c.o.Aliases++
				}
				fields = append(fields, s)
			case *ast.InlineFragment:
				if len(s.Directives) > 0 {
					c.failed = true
					return
				}
				collect(s.SelectionSet)
			case *ast.FragmentSpread:
				if len(s.Directives) > 0 || spread[s.Name] || len(s.Definition.Directives) > 0 {
					c.failed = true
					return
				}
				spread[s.Name] = true
				collect(s.Definition.SelectionSet)
			}
		}
	}
	collect(set)
	return fields
}

func quotedKey(f *ast.Field) string { return `"` + f.Alias + `":` }

func (c *compiler) root(f *ast.Field) (r root, ok bool) {
	r = root{field: f.Name, key: quotedKey(f)}
	if r.args, ok = compileArguments(f); !ok {
		return r, false
	}
	switch f.Name {
	case "simplePrice":
		r.kind, r.price = rootPrices, c.object(f, priceFields, 2)
	case "marketChart":
		r.kind, r.series = rootChart, c.object(f, chartFields, 2)
	case "onChainMetric":
		r.kind, r.series = rootMetric, c.object(f, metricFields, 2)
	case "asset":
		r.kind, r.asset = rootAsset, c.object(f, assetFields, 2)
	case "assets":
		r.kind = rootAssets
		nodes := c.fields(f.SelectionSet)
		if c.failed || len(nodes) != 1 || nodes[0].Name != "nodes" || !r.args.has("ids") || r.args.has("search") || r.args.has("after") || r.args.has("first") {
			return r, false
		}
		c.o.Depth = max(c.o.Depth, 2)
		r.nodesKey, r.asset = "{"+quotedKey(nodes[0]), c.object(nodes[0], assetFields, 3)
	default:
		return r, false
	}
	return r, !c.failed
}

// object compiles the selections of a field whose fields have the writers given, and are at the depth given.
func (c *compiler) object(f *ast.Field, kinds map[string]fieldKind, depth int) *object {
	o := &object{}
	c.o.Depth = max(c.o.Depth, depth)
	for i, s := range c.fields(f.SelectionSet) {
		kind, ok := kinds[s.Name]
		if s.Name == "__typename" {
			kind, ok = constant, true
		}
		if !ok || c.failed {
			c.failed = true
			return o
		}
		member := field{key: quotedKey(s), kind: kind}
		if i > 0 {
			member.key = "," + member.key
		}
		switch kind {
		case constant:
			member.text = `"` + s.ObjectDefinition.Name + `"`
			o.leaves++
		case assetObject:
			member.sub = c.object(s, plainAssetFields, depth+1)
			o.leaves += member.sub.leaves
		case coverageObject:
			member.sub = c.object(s, coverageFields, depth+1)
			o.leaves += member.sub.leaves
		case holesList:
			member.sub = c.object(s, holeFields, depth+1)
			o.leaves += member.sub.leaves
		case pointsList:
			points := chartPointFields
			if s.ObjectDefinition.Name == "MetricSeries" {
				points = metricPointFields
			}
			member.sub = c.object(s, points, depth+1)
			o.points += member.sub.leaves
		case timestampsColumn, pricesColumn, marketCapsColumn, volumesColumn, valuesColumn:
			o.points++
		case assetPrice, assetChart, assetMetric:
			args, ok := compileArguments(s)
			if !ok {
				c.failed = true
				return o
			}
			e := edge{args: args}
			switch kind {
			case assetPrice:
				e.kind, e.sub = rootPrices, c.object(s, priceFields, depth+1)
			case assetChart:
				e.kind, e.sub = rootChart, c.object(s, chartFields, depth+1)
			default:
				e.kind, e.sub = rootMetric, c.object(s, metricFields, depth+1)
			}
			member.edge = len(o.edges)
			o.edges = append(o.edges, e)
		case priceMembers:
			o.leaves++
			member.first = priceValues[s.Name]
			member.last = member.first
			if member.follows(o.fields) {
				o.fields[len(o.fields)-1].last = member.last
				continue
			}
		default:
			o.leaves++
		}
		o.fields = append(o.fields, member)
	}
	return o
}

// follows tells whether a value of a price goes out together with the field before it, as they stand in [market.PriceJSON].
func (f *field) follows(before []field) bool {
	if len(before) == 0 {
		return false
	}
	b := before[len(before)-1]
	return b.kind == priceMembers && b.last+1 == f.first && f.key == ","+f.first.Member()
}

// fieldKind is how a field is written.
type fieldKind uint8

const (
	constant fieldKind = iota
	assetObject
	coverageObject
	holesList
	pointsList
	assetPrice
	assetChart
	assetMetric

	assetID
	assetSymbol
	assetName

	currencyEnum
	metricEnum
	intervalEnum
	daysValue
	unitText
	fromTime
	toTime
	sourcesList
	fetchedAt
	staleFlag
	timestampsColumn
	pricesColumn
	marketCapsColumn
	volumesColumn
	valuesColumn

	priceMembers // one value, or several that follow each other

	pointTimestamp
	pointPrice
	pointMarketCap
	pointVolume

	completeFlag
	holeReason
)

// The fields that there are writers for, by type.
var (
	plainAssetFields = map[string]fieldKind{"id": assetID, "symbol": assetSymbol, "name": assetName}
	assetFields      = map[string]fieldKind{
		"id": assetID, "symbol": assetSymbol, "name": assetName, "price": assetPrice, "chart": assetChart, "onChain": assetMetric,
	}
	priceFields = map[string]fieldKind{
		"asset": assetObject, "currency": currencyEnum, "price": priceMembers, "marketCap": priceMembers, "volume24h": priceMembers,
		"change24h": priceMembers, "lastUpdatedAt": priceMembers, "fetchedAt": priceMembers, "source": priceMembers, "stale": staleFlag,
	}
	priceValues = map[string]market.PriceValue{
		"price": market.PriceNumber, "marketCap": market.MarketCapNumber, "volume24h": market.Volume24hNumber, "change24h": market.Change24hNumber,
		"lastUpdatedAt": market.LastUpdatedAtTime, "fetchedAt": market.FetchedAtTime, "source": market.SourceText,
	}
	chartFields = map[string]fieldKind{
		"asset": assetObject, "currency": currencyEnum, "interval": intervalEnum, "days": daysValue, "from": fromTime, "to": toTime, "sources": sourcesList,
		"fetchedAt": fetchedAt, "stale": staleFlag, "points": pointsList, "timestamps": timestampsColumn, "prices": pricesColumn,
		"marketCaps": marketCapsColumn, "volumes": volumesColumn, "coverage": coverageObject,
	}
	metricFields = map[string]fieldKind{
		"asset": assetObject, "metric": metricEnum, "interval": intervalEnum, "days": daysValue, "unit": unitText, "sources": sourcesList,
		"fetchedAt": fetchedAt, "stale": staleFlag, "points": pointsList, "timestamps": timestampsColumn, "values": valuesColumn, "coverage": coverageObject,
	}
	chartPointFields  = map[string]fieldKind{"timestamp": pointTimestamp, "price": pointPrice, "marketCap": pointMarketCap, "volume": pointVolume}
	metricPointFields = map[string]fieldKind{"timestamp": pointTimestamp, "value": pointPrice}
	coverageFields    = map[string]fieldKind{"complete": completeFlag, "from": fromTime, "to": toTime, "holes": holesList}
	holeFields        = map[string]fieldKind{"from": fromTime, "to": toTime, "reason": holeReason}
)

// seriesRequest is a chart's or a metric's question, but for its asset.
func (e edge) seriesRequest(v variables, service *market.Service) (req market.SeriesRequest, ok bool) {
	if req.Days, req.Interval, ok = e.args.span(v); !ok {
		return req, false
	}
	if e.kind == rootMetric {
		name, isText := e.args.text("metric", v)
		return req, isText && req.Metric.UnmarshalGQL(name) == nil
	}
	req.Currency, ok = e.args.currency("currency", v, service)
	return req, ok
}
