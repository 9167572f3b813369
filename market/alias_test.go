package market

import (
	"slices"
	"testing"
)

func TestRenamed(t *testing.T) {
	asset := func(id, contracts string) Asset { return Asset{ID: id, Contracts: contracts} }
	for _, c := range []struct {
		name       string
		old, fresh []Asset
		want       []Alias
	}{
		{"nothing is gone", []Asset{asset("a", "eth:1")}, []Asset{asset("a", "eth:2"), asset("b", "eth:1")}, nil},
		{"the contract proves it", []Asset{asset("a", "eth:1")}, []Asset{asset("b", "eth:1")}, []Alias{{"a", "b"}}},
		{"one of several does", []Asset{asset("a", "bsc:9,eth:1")}, []Asset{asset("b", "eth:1,sol:7"), asset("c", "eth:2")}, []Alias{{"a", "b"}}},
		{"merged into one that was there", []Asset{asset("a", "eth:1"), asset("b", "eth:1")}, []Asset{asset("b", "eth:1")}, []Alias{{"a", "b"}}},
		{"two may be it", []Asset{asset("a", "bsc:9,eth:1")}, []Asset{asset("b", "eth:1"), asset("c", "bsc:9")}, nil},
		{"the same address elsewhere is another contract", []Asset{asset("a", "eth:1")}, []Asset{asset("b", "bsc:1")}, nil},
		{"delisted", []Asset{asset("a", "eth:1")}, []Asset{asset("b", "eth:2")}, nil},
		{"coins have no contract", []Asset{asset("a", "")}, []Asset{asset("b", "")}, nil},
		{"two at once", []Asset{asset("y", "eth:2"), asset("x", "eth:1")}, []Asset{asset("b", "eth:2"), asset("a", "eth:1")}, []Alias{{"x", "a"}, {"y", "b"}}},
	} {
		if got := Renamed(c.old, c.fresh); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestContracts(t *testing.T) {
	if got := Contracts(map[string]string{"solana": "Abc", "ethereum": "0x1", "": "0x2", "tron": "", "odd": "a,b"}); got != "ethereum:0x1,solana:Abc" {
		t.Errorf("got %q", got)
	}
}
