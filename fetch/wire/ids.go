package wire

import (
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/coingraph/coingraph/market"
)

// IDs reads a table of what a provider calls CoinGecko's assets: CSV with a line of titles, CoinGecko's id first, the
// provider's second, and whatever else the provider's package knows. Symbols are not unique, so nothing is ever guessed
// from one: an asset that is not in the table is not known to the provider.
func IDs(table string, columns int) (map[string][]string, error) {
	r := csv.NewReader(strings.NewReader(table))
	r.FieldsPerRecord = columns
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	ids := make(map[string][]string, len(rows))
	theirs := make(map[string]bool, len(rows))
	for _, row := range rows[min(1, len(rows)):] {
		id, their := row[0], row[1]
		if !market.ValidAssetID(id) || their == "" || ids[id] != nil || theirs[their] {
			return nil, fmt.Errorf("the row of %q is not usable, or there twice", id)
		}
		ids[id], theirs[their] = row[1:], true
	}
	return ids, nil
}
