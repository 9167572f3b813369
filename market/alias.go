package market

import (
	"cmp"
	"slices"
	"strings"
)

// Alias says under which id an asset goes on whose id is gone.
type Alias struct{ Old, New string }

// Renamed are the ids that old has and new has not, and whose contract proves under which id the asset goes on: exactly
// one asset of new has one of its contracts. Coins without a contract are never taken for renamed: symbols and names
// prove nothing. Ascending by the old id.
func Renamed(old, fresh []Asset) []Alias {
	there := make(map[string]bool, len(fresh))
	for _, a := range fresh {
		there[a.ID] = true
	}
	gone := slices.DeleteFunc(slices.Clone(old), func(a Asset) bool { return there[a.ID] || a.Contracts == "" })
	if len(gone) == 0 {
		return nil
	}
	owners := make(map[string][]string)
	for _, a := range fresh {
		for c := range a.contracts() {
			owners[c] = append(owners[c], a.ID)
		}
	}
	var aliases []Alias
	for _, a := range gone {
		var heirs []string
		for c := range a.contracts() {
			heirs = append(heirs, owners[c]...)
		}
		slices.Sort(heirs)
		if heirs = slices.Compact(heirs); len(heirs) == 1 {
			aliases = append(aliases, Alias{a.ID, heirs[0]})
		}
	}
	slices.SortFunc(aliases, func(a, b Alias) int { return cmp.Compare(a.Old, b.Old) })
	return aliases
}

// contracts yields each of the asset's contracts.
func (a Asset) contracts() func(func(string) bool) {
	if a.Contracts == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(a.Contracts, ",")
}

// Contracts writes contract addresses by platform in the form of [Asset.Contracts]. Platforms without an address are left
// out, and so is an address that could not be told from two.
func Contracts(byPlatform map[string]string) string {
	var all []string
	for platform, address := range byPlatform {
		if c := platform + ":" + address; platform != "" && address != "" && !strings.ContainsAny(c, ",\x00") {
			all = append(all, c)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// canonical is the id that an asset goes by now; an id that nobody renamed is its own.
func (s *snapshot) canonical(id string) string {
	if _, ok := s.byID[id]; ok {
		return id
	}
	if renamed, ok := s.aliases[id]; ok {
		return renamed
	}
	return id
}

// RenamedTo is the id that an asset goes by now, if the one given is an old one of it.
func (s *Service) RenamedTo(id string) (string, bool) {
	all := s.catalogue.current.Load()
	if all == nil || len(all.aliases) == 0 {
		return "", false
	}
	now := all.canonical(id)
	return now, now != id
}
