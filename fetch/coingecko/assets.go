package coingecko

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coingraph/coingraph/market"
)

// Assets is the list of all active coins, in the order sent. A row whose id has not the form of one, or whose texts have a
// NUL, is left out, which the log tells; an empty list and an id that occurs twice refuse the whole answer.
// https://docs.coingecko.com/reference/coins-list
func (c *Client) Assets(ctx context.Context, try Try) ([]market.Asset, error) {
	var assets []market.Asset
	err := try(ctx, coinsList.Path, func(ctx context.Context, apiKey string) error {
		r, err := c.get(ctx, apiKey, coinsList, "", "include_platform=true")
		if err != nil {
			return err
		}
		assets, err = c.decodeAssets(ctx, r)
		return err
	})
	return assets, err
}

func (c *Client) decodeAssets(ctx context.Context, r *reply) ([]market.Asset, error) {
	var rows []struct {
		ID     string `json:"id"`
		Symbol string `json:"symbol"`
		Name   string `json:"name"`

		Platforms map[string]*string `json:"platforms"`
	}
	if err := c.list(r, &rows); err != nil {
		return nil, err
	}
	assets := make([]market.Asset, 0, len(rows))
	seen := make(map[string]bool, len(rows))
	skipped, example := 0, ""
	for _, row := range rows {
		if !market.ValidAssetID(row.ID) || strings.ContainsRune(row.Symbol+row.Name, 0) {
			skipped, example = skipped+1, row.ID
			continue
		}
		if seen[row.ID] {
			return nil, c.nonsense(r, fmt.Errorf("the id %s occurs twice", row.ID))
		}
		seen[row.ID] = true
		assets = append(assets, market.Asset{ID: row.ID, Symbol: row.Symbol, Name: row.Name, Contracts: contracts(row.Platforms)})
	}
	if len(assets) == 0 {
		return nil, c.nonsense(r, fmt.Errorf("of %d rows none is an asset", len(rows)))
	}
	if skipped > 0 {
		c.log.WarnContext(ctx, "assets with ids that cannot be used are left out", "event", "fetch.skipped",
			"provider", Name, "skipped", skipped, "kept", len(assets), "example", fmt.Sprintf("%.80q", example))
	}
	return assets, nil
}

// contracts leaves out platforms without an address, which the list has as "" or null.
func contracts(platforms map[string]*string) string {
	byPlatform := make(map[string]string, len(platforms))
	for platform, address := range platforms {
		if address != nil {
			byPlatform[platform] = *address
		}
	}
	return market.Contracts(byPlatform)
}

// SupportedCurrencies are those of market's currencies that CoinGecko quotes in, in market's order.
// https://docs.coingecko.com/reference/simple-supported-currencies
func (c *Client) SupportedCurrencies(ctx context.Context, try Try) ([]market.Currency, error) {
	var supported []market.Currency
	err := try(ctx, supportedVs.Path, func(ctx context.Context, apiKey string) error {
		r, err := c.get(ctx, apiKey, supportedVs, "", "")
		if err != nil {
			return err
		}
		var codes []market.Currency
		if err := c.list(r, &codes); err != nil {
			return err
		}
		supported = slices.DeleteFunc(market.AllCurrencies(), func(cur market.Currency) bool { return !slices.Contains(codes, cur) })
		if len(supported) == 0 {
			return c.nonsense(r, errors.New("no currency is known"))
		}
		return nil
	})
	return supported, err
}

// list reads an answer that is an array, or the error that it is in spite of its status.
func (c *Client) list(r *reply, into any) error {
	err := json.Unmarshal(r.Body, into)
	if err == nil {
		return nil
	}
	if code, message := readError(r.Body); code != 0 || message != "" {
		return c.refusal(r)
	}
	return c.nonsense(r, err)
}
