package web

import (
	"math"
	"testing"

	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/web/gecko"
)

func TestPreferred(t *testing.T) {
	for accept, want := range map[string]string{
		"*/*": plainJSON, "text/csv": csvMedia, "text/*": csvMedia, "application/*": plainJSON, "application/x-ndjson": ndjsonMedia,
		"text/html,application/xhtml+xml,*/*;q=0.8": plainJSON, "text/csv;q=0.5, application/json;q=0.4": csvMedia,
		"application/json;q=0": "", "image/png": "", "": "", "text/csv;charset=latin1": "", "text/csv;q=x, application/json;q=0.1": plainJSON, "TEXT/CSV": csvMedia,
	} {
		if got, ok := preferred([]string{accept}, plainJSON, csvMedia, ndjsonMedia); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
	if got, ok := preferred(nil, plainJSON, csvMedia); got != plainJSON || !ok {
		t.Errorf("no header: %q", got)
	}
}

func TestAppendSamples(t *testing.T) {
	s := &market.Samples{
		Points: []market.Sample{
			{Stamp: 1, Price: 1.2e-07, MarketCap: 0, Volume: math.NaN()},
			{Stamp: 2, Price: math.NaN(), MarketCap: math.NaN(), Volume: 5.2e15, Missing: market.MissingPrice},
			{Stamp: 3, Price: 123456789012345.67, MarketCap: math.NaN(), Volume: 1, Missing: market.MissingMarketCap | market.MissingVolume},
		},
		Now: &market.Sample{Stamp: 2500, Price: 2.345, MarketCap: 3.456, Volume: 4.567},
	}
	for precision, want := range map[gecko.Precision]string{
		gecko.Full: `{"prices":[[1,1.2e-7],[3,123456789012345.67],[2500,2.345]],"market_caps":[[1,0],[2,null],[2500,3.456]],"total_volumes":[[1,null],[2,5200000000000000],[2500,4.567]]}`,
		1:          `{"prices":[[1,0],[3,123456789012345.7],[2500,2.3]],"market_caps":[[1,0],[2,null],[2500,3.456]],"total_volumes":[[1,null],[2,5200000000000000],[2500,4.567]]}`,
	} {
		if got := string(appendSamples(nil, s, precision)); got != want {
			t.Errorf("%d: %s", precision, got)
		}
	}
	if got := string(appendSamples(nil, &market.Samples{}, 0)); got != `{"prices":[],"market_caps":[],"total_volumes":[]}` {
		t.Error(got)
	}
}
