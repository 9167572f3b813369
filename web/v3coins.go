package web

import (
	"sync/atomic"
	"time"

	"github.com/coingraph/coingraph/market"
)

// coinsList is the body of /coins/list, which is written once for each catalogue.
type coinsList struct{ current atomic.Pointer[coinsBody] }

type coinsBody struct {
	fetchedAt time.Time
	body      []byte
}

// of is the list's body. It is shared.
func (c *coinsList) of(all *market.AssetList) []byte {
	if now := c.current.Load(); now != nil && now.fetchedAt.Equal(all.FetchedAt) {
		return now.body
	}
	b := make([]byte, 0, 2+80*len(all.Assets))
	b = append(b, '[')
	for i, a := range all.Assets {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"id":`...), a.ID)
		b = appendString(append(b, `,"symbol":`...), a.Symbol)
		b = appendString(append(b, `,"name":`...), a.Name)
		b = append(b, '}')
	}
	b = append(b, ']')
	c.current.Store(&coinsBody{all.FetchedAt, b})
	return b
}
