package market

import (
	"context"
	"strings"
)

// Naming is what a word stands for that names assets.
type Naming uint8

// The namings. Only an id names one asset; names and symbols are not unique.
const (
	ByID Naming = iota
	ByName
	BySymbol
)

// words finds assets by what people call them. It is made of a catalogue when it is first needed.
type words struct{ names, symbols map[string][]int }

func (s *snapshot) newWords() *words {
	w := &words{make(map[string][]int, len(s.assets)), make(map[string][]int, len(s.assets))}
	for i := range s.assets {
		_, rest, _ := strings.Cut(s.haystack[i], "\x00")
		symbol, name, _ := strings.Cut(rest, "\x00")
		w.names[name] = append(w.names[name], i)
		w.symbols[symbol] = append(w.symbols[symbol], i)
	}
	return w
}

// Candidates are the assets that each of the words may mean, index by index, ascending by id; none for a word that is
// unknown. Names and symbols are compared without regard to case.
func (s *Service) Candidates(ctx context.Context, by Naming, asked []string) ([][]Asset, error) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	candidates := make([][]Asset, len(asked))
	for n, word := range asked {
		var found []int
		switch by {
		case ByName:
			found = all.words().names[strings.ToLower(word)]
		case BySymbol:
			found = all.words().symbols[strings.ToLower(word)]
		case ByID:
			if i, ok := all.byID[all.canonical(word)]; ok {
				asset := all.assets[i]
				asset.ID = word // perhaps an old one
				candidates[n] = []Asset{asset}
			}
		}
		for _, i := range found {
			candidates[n] = append(candidates[n], all.assets[i])
		}
	}
	return candidates, nil
}

// Catalogue is all assets, ascending by id. The list is shared and must not be changed.
func (s *Service) Catalogue(ctx context.Context) (*AssetList, error) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return &AssetList{Assets: all.assets, FetchedAt: all.fetchedAt, FreshUntil: all.fetchedAt.Add(catalogueAge)}, nil
}
