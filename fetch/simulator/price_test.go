package simulator

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

func TestPricesDependOnSeedAlone(t *testing.T) {
	a, b, other := New(Options{Seed: 7}), New(Options{Seed: 7, Plan: Pro}), New(Options{Seed: 8})
	differs := 0
	for i := range 500 {
		when := at(t, "2017-01-01T00:00:00Z").Add(time.Duration(i) * 171 * time.Hour)
		for _, id := range []string{"bitcoin", "tether", "namecoin", "wrapped-steth"} {
			p, ok := a.Price(id, "eur", when)
			q, ok2 := b.Price(id, "eur", when)
			if p != q || ok != ok2 {
				t.Fatalf("%s at %v: %v and %v", id, when, p, q)
			}
			if r, _ := other.Price(id, "eur", when); ok && r != p {
				differs++
			}
		}
	}
	if differs < 1000 {
		t.Errorf("another seed gave other prices only %d times", differs)
	}
}

// Own assets do not move the others.
func TestPricesDoNotDependOnOtherAssets(t *testing.T) {
	whole := New(Options{})
	part := New(Options{Assets: slices.DeleteFunc(Assets(), func(a Asset) bool { return a.ID != "aave" })})
	for _, c := range market.AllCurrencies() {
		p, _ := whole.Price("aave", c, Anchor())
		if q, ok := part.Price("aave", c, Anchor()); !ok || p != q {
			t.Errorf("%s: %v and %v", c, p, q)
		}
	}
}

func TestPricesAtAnchor(t *testing.T) {
	s := New(Options{Seed: 99})
	for _, a := range Assets() {
		want := a.Price
		switch a.Tracks {
		case "":
		case "usd":
		default:
			other, ok := s.Price(a.Tracks, "usd", Anchor())
			if !ok {
				continue // a money
			}
			want *= other
		}
		if a.Kind == Illiquid || a.Listed.After(Anchor()) {
			continue
		}
		if p, ok := s.Price(a.ID, "usd", Anchor()); !ok || math.Abs(p/want-1) > 1e-9 {
			t.Errorf("%s: got %v, want %v", a.ID, p, want)
		}
	}
}

func TestCrossRates(t *testing.T) {
	s := New(Options{Seed: 3})
	for i := range 300 {
		when := at(t, "2021-01-01T00:00:00Z").Add(time.Duration(i) * 171 * time.Hour)
		price := func(id string, c market.Currency) float64 {
			p, ok := s.Price(id, c, when)
			if !ok || !(p > 0) {
				t.Fatalf("%s in %s at %v: %v %v", id, c, when, p, ok)
			}
			return p
		}
		for c, of := range map[market.Currency]string{"btc": "bitcoin", "eth": "ethereum", "xrp": "ripple", "sol": "solana"} {
			if p := price(of, c); p != 1 {
				t.Errorf("%s in itself is %v", of, p)
			}
		}
		if p := price("bitcoin", "sats"); p != 1e8 {
			t.Errorf("a bitcoin has %v sats", p)
		}
		if p := price("bitcoin", "bits"); p != 1e6 {
			t.Errorf("a bitcoin has %v bits", p)
		}
		// The rate of a currency is the same whatever is priced.
		for _, c := range market.AllCurrencies() {
			r1, r2 := price("cardano", c)/price("cardano", "usd"), price("monero", c)/price("monero", "usd")
			if math.Abs(r1/r2-1) > 1e-12 {
				t.Errorf("%s: rate %v by cardano, %v by monero", c, r1, r2)
			}
		}
		for id, target := range map[string]float64{"tether": 1, "usd-coin": 1, "dai": 1} {
			if p := price(id, "usd"); math.Abs(p/target-1) > 0.02 {
				t.Errorf("%s is %v", id, p)
			}
		}
		if r := price("wrapped-bitcoin", "usd") / price("bitcoin", "usd"); math.Abs(r-1) > 0.02 {
			t.Errorf("wrapped-bitcoin is %v bitcoin", r)
		}
		if p := price("tether", "aed"); math.Abs(p/3.6728-1) > 0.02 {
			t.Errorf("the dirham is not pegged: %v", p)
		}
	}
}

// A coin that was not listed is no currency either.
func TestNothingBeforeListing(t *testing.T) {
	s := New(Options{})
	early := at(t, "2019-01-01T00:00:00Z")
	if p, ok := s.Price("solana", "usd", early); ok {
		t.Errorf("solana in 2019: %v", p)
	}
	if p, ok := s.Price("bitcoin", "sol", early); ok {
		t.Errorf("bitcoin in solana in 2019: %v", p)
	}
	if p, ok := s.Price("bitcoin", "usd", early); !ok || !(p > 0) {
		t.Errorf("bitcoin in 2019: %v %v", p, ok)
	}
	for _, unknown := range [][2]string{{"nothing", "usd"}, {"bitcoin", "usdt"}} {
		if _, ok := s.Price(unknown[0], market.Currency(unknown[1]), early); ok {
			t.Errorf("%v has a price", unknown)
		}
	}
}

func TestMovesArePlausible(t *testing.T) {
	s := New(Options{Seed: 1})
	std := func(id string, step time.Duration) float64 {
		sum, n := 0.0, 2000
		before := 0.0
		for i := range n {
			p, _ := s.Price(id, "usd", at(t, "2020-06-01T00:00:00Z").Add(time.Duration(i)*step))
			if i > 0 {
				sum += math.Pow(math.Log(p/before), 2)
			}
			before = p
		}
		return math.Sqrt(sum / float64(n-1))
	}
	for _, c := range []struct {
		id       string
		step     time.Duration
		min, max float64
	}{
		{"bitcoin", 24 * time.Hour, 0.015, 0.05},
		{"bitcoin", time.Hour, 0.002, 0.012},
		{"bitcoin", time.Minute, 0.0001, 0.002},
		{"dogecoin", 24 * time.Hour, 0.03, 0.12},
		{"tether", 24 * time.Hour, 0.00001, 0.002},
	} {
		if v := std(c.id, c.step); v < c.min || v > c.max {
			t.Errorf("%s moves by %.5f in %v, want %v to %v", c.id, v, c.step, c.min, c.max)
		}
	}
}

// Illiquid assets keep their price between trades, and have days without any.
func TestIlliquidTrades(t *testing.T) {
	s := New(Options{})
	c := s.world.coins["namecoin"]
	var changes, silent int
	before := int64(0)
	for i := range int64(2000) {
		now := anchor - i*hour
		last := s.world.lastTrade(c, now)
		if last > now || last%second != 0 || s.world.lastTrade(c, last) != last {
			t.Fatalf("at %d the last trade is %d", now, last)
		}
		p, _ := s.Price("namecoin", "usd", time.UnixMilli(now))
		if q, _ := s.Price("namecoin", "usd", time.UnixMilli(last)); p != q {
			t.Fatalf("the price moved without a trade: %v, %v", q, p)
		}
		if last != before {
			changes++
		}
		if s.world.volumeUSD(c, now, p) == 0 {
			silent++
		}
		before = last
	}
	if changes < 20 || changes > 120 || silent < 200 || silent > 1500 {
		t.Errorf("in 2000 hours %d trades, %d hours after a day without", changes, silent)
	}
}

func TestQuote(t *testing.T) {
	s := New(Options{})
	now := at(t, "2026-11-23T18:41:43Z")
	q, ok := s.Quote("bitcoin", "eur", now)
	updated := time.UnixMilli(q.UpdatedAt)
	p, _ := s.Price("bitcoin", "eur", updated)
	before, _ := s.Price("bitcoin", "eur", updated.Add(-24*time.Hour))
	if !ok || q.Price != p || q.Change24h != (p/before-1)*100 || !(q.MarketCap > p) || !(q.Volume24h > 0) {
		t.Errorf("got %+v", q)
	}
	if updated.After(now) || now.Sub(updated) >= time.Minute {
		t.Errorf("at %v it was updated at %v", now, updated)
	}
	if q, ok := s.Quote("_", "usd", now); !ok || q.MarketCap != 0 {
		t.Errorf("_: %+v", q)
	}
}
