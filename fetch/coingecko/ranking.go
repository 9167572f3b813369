package coingecko

import (
	"context"
	"fmt"

	"github.com/coingraph/coingraph/market"
)

// marketsPage is the most rows that a page of /coins/markets has.
const marketsPage = 250

// Ranking are the ids of the n assets with the largest market caps, the largest first; fewer, where there are fewer. A
// page costs a call. An answer with an id that occurs twice in it is refused whole; one that is on two pages, because the
// ranking moved between the calls, counts once.
// https://docs.coingecko.com/reference/coins-markets
func (c *Client) Ranking(ctx context.Context, try Try, n int) ([]string, error) {
	var ids []string
	seen := make(map[string]bool)
	for page := 1; len(ids) < n; page++ {
		var rows []string
		err := try(ctx, coinsMarkets.Path, func(ctx context.Context, apiKey string) error {
			// Always whole pages: where a page begins depends on their size.
			query := fmt.Sprintf("vs_currency=usd&order=market_cap_desc&per_page=%d&page=%d", marketsPage, page)
			r, err := c.get(ctx, apiKey, coinsMarkets, "", query)
			if err != nil {
				return err
			}
			rows, err = c.decodeRanking(r)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, id := range rows {
			if !seen[id] && market.ValidAssetID(id) {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		if len(rows) < marketsPage {
			break
		}
	}
	return ids[:min(n, len(ids))], nil
}

func (c *Client) decodeRanking(r *reply) ([]string, error) {
	var rows []struct {
		ID *string `json:"id"`
	}
	if err := c.list(r, &rows); err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	seen := make(map[string]bool, len(rows))
	for i, row := range rows {
		if row.ID == nil || *row.ID == "" {
			return nil, c.nonsense(r, fmt.Errorf("row %d has no id", i))
		}
		if seen[*row.ID] {
			return nil, c.nonsense(r, fmt.Errorf("the id %s occurs twice", *row.ID))
		}
		seen[*row.ID] = true
		ids[i] = *row.ID
	}
	return ids, nil
}
