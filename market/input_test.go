package market

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestDays(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Days
	}{
		{"1", 1},
		{"30", 30},
		{"10000", 10000},
		{"max", AllDays},
		{"007", 7},
		{"0", 0},
		{"-1", 0},
		{"1.5", 0},
		{"1e9", 0},
		{"10001", 0},
		{"3000000000", 0},
		{"MAX", 0},
		{" max", 0},
		{"٧", 0},
		{"７", 0},
		{"", 0},
		{"null", 0},
		{"NaN", 0},
		{"true", 0},
		{"+7", 0},
		{"7 ", 0},
	} {
		if got := ParseDays(c.in); got != c.want || got.Valid() != (c.want != 0) {
			t.Errorf("ParseDays(%q) = %d", c.in, got)
		}
	}
	for _, c := range []struct {
		in   any
		want Days
	}{
		{int64(7), 7},
		{json.Number("7"), 7},
		{"max", AllDays},
		{7, 7},
		{"7", 0},
		{int64(0), 0},
		{int64(-1), 0},
		{1.5, 0},
		{json.Number("1.5"), 0},
		{json.Number("1e1"), 0},
		{int64(3_000_000_000), 0},
		{json.Number("-1"), 0},
		{nil, 0},
		{true, 0},
		{"MAX", 0},
		{[]any{int64(7)}, 0},
	} {
		var got Days
		if err := got.UnmarshalGQL(c.in); err != nil || got != c.want {
			t.Errorf("UnmarshalGQL(%#v) = %d %v", c.in, got, err)
		}
	}
}

func TestAssetIDs(t *testing.T) {
	for _, id := range []string{"bitcoin", "0x", "_", "0-5x-long-algorand-token", "avalanche-2", "1move token", "boringdao-[old]", "-10", "aaai_agent-by-virtuals", "a.b"} {
		if !ValidAssetID(id) {
			t.Errorf("%q is a real id", id)
		}
	}
	for _, id := range []string{"", "a:b", "a*", "a\r\nSET x 1", "{x}", "a\x00b", strings.Repeat("a", 10_000), "😀", "\u202eabc", "../ping?x=", "..%2f", "bitcoin/../..", "bitcoin?days=1", "#", "http://127.0.0.1:1/", "' OR 1=1--", "$1", `\`, "Bitcoin", " bitcoin", "bitcoin ", "..", "a..b", ".", "a,b", "a\tb"} {
		if ValidAssetID(id) {
			t.Errorf("%q was taken for an id", id)
		}
	}
}

// The recorded catalogue is not part of the project; where it is at hand, all of its ids must be valid.
func TestRecordedAssetIDsAreValid(t *testing.T) {
	body, err := os.ReadFile("../../shared/recorded/coingecko/coins_list__2025-08-03.json")
	if err != nil {
		t.Skip("skipped: there is no recorded catalogue, which is no part of the project; this test alone needs it:", err)
	}
	var coins []Asset
	if err := json.Unmarshal(body, &coins); err != nil || len(coins) < 17_000 {
		t.Fatal(len(coins), err)
	}
	for _, c := range coins {
		if !ValidAssetID(c.ID) {
			t.Errorf("%q", c.ID)
		}
	}
}

func TestCurrenciesAreThoseOfTheSchema(t *testing.T) {
	schema, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	_, enum, _ := strings.Cut(string(schema), "enum Currency {")
	enum, _, _ = strings.Cut(enum, "}")
	var got []string
	for line := range strings.Lines(enum) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '"' {
			got = append(got, strings.ToLower(line))
		}
	}
	if strings.Join(got, " ") != strings.Join(allCurrencies, " ") || len(got) != 63 {
		t.Errorf("the schema has %d currencies: %v", len(got), got)
	}
	for _, c := range AllCurrencies() {
		var w bytes.Buffer
		c.MarshalGQL(&w)
		text, _ := strconv.Unquote(w.String())
		var back Currency
		if err := back.UnmarshalGQL(text); err != nil || back != c {
			t.Errorf("%s became %s (%v)", c, w.String(), err)
		}
	}
	var c Currency
	if err := c.UnmarshalGQL("usd"); err == nil {
		t.Error("the enum is in upper case")
	}
}

func TestMetricsAreThoseOfTheSchema(t *testing.T) {
	schema, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	_, enum, _ := strings.Cut(string(schema), "enum OnChainMetric {\n")
	enum, _, _ = strings.Cut(enum, "}")
	var want strings.Builder
	for _, m := range AllMetrics() {
		var w bytes.Buffer
		m.MarshalGQL(&w)
		name, _ := strconv.Unquote(w.String())
		want.WriteString("  \"" + m.Description() + "\"\n  " + name + "\n")
		var back Metric
		if err := back.UnmarshalGQL(name); err != nil || back != m {
			t.Errorf("%s became %s (%v)", m, name, err)
		}
	}
	if enum != want.String() {
		t.Errorf("the schema has\n%s\nwant\n%s", enum, want.String())
	}
	var m Metric
	for _, bad := range []any{"mvrv", "Mvrv", "NONESUCH", "", nil, 7} {
		if err := m.UnmarshalGQL(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func FuzzInput(f *testing.F) {
	for _, s := range []string{"7", "max", "bitcoin", "usd", "daily", "1move token"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := ParseDays(s); d.Valid() && d != AllDays && ParseDays(d.String()) != d {
			t.Errorf("days %q", s)
		}
		if ValidAssetID(s) && strings.ContainsAny(s, ":/\\?#%*{}\r\n\x00\"'<>") {
			t.Errorf("id %q", s)
		}
		if c, ok := ParseCurrency(s); ok && string(c) != strings.ToLower(s) {
			t.Errorf("currency %q", s)
		}
	})
}
