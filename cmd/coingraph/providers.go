package main

import (
	"slices"

	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/fetch/binance"
	"github.com/coingraph/coingraph/fetch/coingecko"
	"github.com/coingraph/coingraph/fetch/coinmetrics"
	"github.com/coingraph/coingraph/fetch/coinpaprika"
	"github.com/coingraph/coingraph/fetch/cryptoquant"
)

// providersOf are the providers that the configuration names, in its order. The list of all assets is CoinGecko's in any
// case, because ids are its.
func providersOf(cfg config.Config, o AppOptions) (lists fetch.Options, err error) {
	named, err := openProviders(cfg, o)
	if err != nil {
		return lists, err
	}
	gecko, ok := named[coingecko.Name].(fetch.CatalogueProvider)
	if !ok {
		return lists, misconfigured("COINGECKO_PLAN", "there is no catalogue of assets without CoinGecko")
	}
	lists.Catalogue = []fetch.CatalogueProvider{gecko}
	if lists.Prices, err = inOrder[fetch.PriceProvider]("PRICE_PROVIDERS", cfg.PriceProviders, named); err != nil {
		return lists, err
	}
	if lists.Charts, err = inOrder[fetch.SeriesProvider]("CHART_PROVIDERS", cfg.ChartProviders, named); err != nil {
		return lists, err
	}
	lists.OnChain, err = inOrder[fetch.MetricProvider]("ONCHAIN_PROVIDERS", cfg.OnChainProviders, named)
	return lists, err
}

// withoutKey stands for a provider that is not asked because it has no key, and none was insisted on.
type withoutKey string

func (n withoutKey) Name() string { return string(n) }

// openProviders opens CoinGecko and those that any of the lists names. Others are not even opened: their terms may not be
// ours to accept.
func openProviders(cfg config.Config, o AppOptions) (map[string]fetch.Provider, error) {
	userAgent := "coingraph/" + version
	open := map[string]func() (fetch.Provider, error){
		coingecko.Name: func() (fetch.Provider, error) {
			keys := make([]string, len(cfg.CoinGecko.Keys))
			for i, k := range cfg.CoinGecko.Keys {
				keys[i] = k.Reveal()
			}
			return coingecko.New(coingecko.Options{
				BaseURL: cfg.CoinGecko.BaseURL, Plan: coingecko.Plan(cfg.CoinGecko.Plan), Keys: keys, UserAgent: userAgent, Now: o.Now, Log: o.Log,
			})
		},
		cryptoquant.Name: func() (fetch.Provider, error) {
			if !cfg.CryptoQuant.Key.IsSet() {
				return withoutKey(cryptoquant.Name), nil
			}
			return cryptoquant.New(cryptoquant.Options{
				BaseURL: cfg.CryptoQuant.BaseURL, Key: cfg.CryptoQuant.Key.Reveal(), UserAgent: userAgent, Now: o.Now, Log: o.Log,
			})
		},
		coinmetrics.Name: func() (fetch.Provider, error) {
			p := cfg.Fallbacks[coinmetrics.Name]
			return coinmetrics.New(coinmetrics.Options{BaseURL: p.BaseURL, Key: p.Key.Reveal(), UserAgent: userAgent, Now: o.Now})
		},
		coinpaprika.Name: func() (fetch.Provider, error) {
			p := cfg.Fallbacks[coinpaprika.Name]
			return coinpaprika.New(coinpaprika.Options{BaseURL: p.BaseURL, Key: p.Key.Reveal(), UserAgent: userAgent, Now: o.Now})
		},
		binance.Name: func() (fetch.Provider, error) {
			p := cfg.Fallbacks[binance.Name]
			return binance.New(binance.Options{BaseURL: p.BaseURL, Key: p.Key.Reveal(), UserAgent: userAgent, Now: o.Now})
		},
	}
	named := make(map[string]fetch.Provider)
	for _, name := range slices.Concat([]string{coingecko.Name}, cfg.PriceProviders, cfg.ChartProviders, cfg.OnChainProviders) {
		if named[name] != nil || open[name] == nil {
			continue // what is nobody's name is told with the list that has it
		}
		p, err := open[name]()
		if err != nil {
			return nil, err
		}
		named[name] = p
	}
	return named, nil
}

// inOrder are the providers of a list. One that has not what the list is of is a fault of the configuration.
func inOrder[P fetch.Provider](variable string, names []string, named map[string]fetch.Provider) ([]P, error) {
	var list []P
	for _, name := range names {
		switch p := named[name].(type) {
		case P:
			list = append(list, p)
		case withoutKey:
		default:
			return nil, misconfigured(variable, name+" has none of these")
		}
	}
	return list, nil
}
