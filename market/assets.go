package market

import (
	"time"

	"github.com/coingraph/coingraph/relay"
)

// AssetQuery selects assets of the catalogue.
type AssetQuery struct {
	IDs    []string // nil: all
	Search string   // in id, symbol and name, whatever the case; "": all
	First  int
	After  string // the position behind the cursor; "": from the beginning
}

// AssetPage is a page of assets.
type AssetPage struct {
	Nodes      []Asset
	PageInfo   relay.PageInfo
	TotalCount int
	cursors    []string
}

// AssetEdge is an asset and its place in the list.
type AssetEdge struct {
	Cursor string
	Node   Asset
}

// Edges are the nodes with their cursors.
func (p *AssetPage) Edges() []AssetEdge {
	edges := make([]AssetEdge, len(p.Nodes))
	for i, a := range p.Nodes {
		edges[i] = AssetEdge{p.cursors[i], a}
	}
	return edges
}

// AssetList is the whole catalogue.
type AssetList struct {
	Assets     []Asset // ascending by id
	FetchedAt  time.Time
	FreshUntil time.Time
}
