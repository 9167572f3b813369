package simulator

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind says how an asset trades.
type Kind string

// The kinds.
const (
	Major    Kind = "major"    // large and liquid
	Alt      Kind = "alt"      // liquid, moves more
	Meme     Kind = "meme"     // liquid, moves most
	Pegged   Kind = "stable"   // follows another asset or a currency within a fraction of a percent
	Illiquid Kind = "illiquid" // trades every few hours to days
)

// Asset is one coin or token of the market.
type Asset struct {
	ID, Symbol, Name string
	Price            float64   // at [Anchor]: in USD, or in units of what it tracks
	Supply           float64   // coins at [Anchor]; 0: not verified, so that the market cap is unknown
	Listed           time.Time // UTC; before that it does not exist
	Kind             Kind
	Tracks           string // for [Pegged]: an asset's id or a fiat currency or metal of the vs currencies
}

//go:embed assets.csv
var assetTable string

// Assets are the assets of the built-in market, ascending by id. Ids, symbols and names are as CoinGecko's /coins/list had
// them in August 2025, but for two that it no longer had then and that recorded prices show.
func Assets() []Asset {
	rows, err := csv.NewReader(strings.NewReader(assetTable)).ReadAll()
	if err != nil {
		panic(fmt.Sprintf("simulator: assets.csv: %v", err))
	}
	assets := make([]Asset, 0, len(rows)-1)
	for _, r := range rows[1:] {
		a := Asset{ID: r[0], Symbol: r[1], Name: r[2], Kind: Kind(r[6]), Tracks: r[7]}
		if a.Price, err = strconv.ParseFloat(r[3], 64); err == nil && r[4] != "" {
			a.Supply, err = strconv.ParseFloat(r[4], 64)
		}
		if err == nil {
			a.Listed, err = time.Parse(time.DateOnly, r[5])
		}
		if err != nil {
			panic(fmt.Sprintf("simulator: assets.csv: %s: %v", a.ID, err))
		}
		assets = append(assets, a)
	}
	return assets
}
