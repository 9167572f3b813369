package market

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawTimestamps draws n instants with gaps among them.
func drawTimestamps(t *rapid.T, interval Interval, n int) Timestamps {
	drawn := Timestamps{interval: interval}
	at := rapid.SampledFrom([]int64{0, genesis, genesis + (rulerLength-3)*interval.Step(), ms(2026, 3, 10, 0, 0), rulerEnd - 2000*interval.Step()}).Draw(t, "first")
	for range n {
		drawn.add(at)
		at += rapid.SampledFrom([]int64{1, 1, 1, 2, 1000}).Draw(t, "steps") * interval.Step()
	}
	return drawn
}

// drawValues draws values of all kinds.
func drawValues(t *rapid.T, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = rapid.OneOf(
			rapid.Map(rapid.Uint64(), math.Float64frombits), rapid.Float64(), rapid.SampledFrom(peculiar),
		).Draw(t, "value")
	}
	return values
}

var peculiar = []float64{
	0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1e21, 1e-7, 9.999999999999999e20, 1e-6, math.MaxFloat64, -math.MaxFloat64,
	math.SmallestNonzeroFloat64, math.Float64frombits(1<<52 - 1), 0x1p-1022, 1, -1, 123456789012345.67, 0.1,
}

// joined is what a column's text has to be: each value as AppendNumber writes it.
func joined(values []float64) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(AppendNumber(nil, v))
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func TestColumnsKeepTheirValuesBitForBit(t *testing.T) {
	check := func(fail func(format string, args ...any), values []float64) {
		c := NewColumn(values)
		want := joined(values)
		var gql bytes.Buffer
		c.MarshalGQL(&gql)
		text, err := c.MarshalJSON()
		if got := string(c.AppendJSON([]byte("x"))); got != "x"+want || err != nil || string(text) != want || gql.String() != want || c.Size() != len(want) {
			fail("got %s, want %s", got, want)
		}
		read := c.Values()
		if len(read) != len(values) || c.Len() != len(values) {
			fail("%d values, want %d", len(read), len(values))
		}
		texts := c.Texts()
		for i, v := range values {
			if math.IsInf(v, 0) || v != v {
				v = math.NaN() // JSON has neither
			}
			if math.Float64bits(read[i]) != math.Float64bits(v) && (v == v || read[i] == read[i]) {
				fail("%x became %x", math.Float64bits(v), math.Float64bits(read[i]))
			}
			if got := texts.Next(); string(got) != string(AppendNumber(nil, v)) || len(got) != cap(got) && i < len(values)-1 {
				fail("the text of %v is %s", v, got)
			}
		}
		for range 2 {
			if text := texts.Next(); text != nil {
				fail("%s after the last value", text)
			}
		}
	}
	check(t.Fatalf, peculiar)
	check(t.Fatalf, nil)
	rapid.Check(t, func(t *rapid.T) { check(t.Fatalf, drawValues(t, rapid.IntRange(0, 30).Draw(t, "n"))) })
	if zero := (Column{}); zero.String() != "[]" || zero.Len() != 0 || len(zero.Values()) != 0 || zero.Size() != 2 {
		t.Errorf("the zero value: %s", zero)
	}
}

func TestTimestamps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.SampledFrom([]Interval{Daily, Hourly, FiveMinutely}).Draw(t, "interval")
		stamps := drawTimestamps(t, interval, rapid.IntRange(0, 3000).Draw(t, "n"))
		instants := stamps.Values()
		numbers := make([]string, len(instants))
		words := make([]string, len(instants))
		for i, at := range instants {
			numbers[i], words[i] = strconv.FormatInt(at, 10), time.UnixMilli(at).UTC().Format(time.RFC3339)
		}
		want := "[" + strings.Join(numbers, ",") + "]"
		var gql bytes.Buffer
		stamps.MarshalGQL(&gql)
		text, err := stamps.MarshalJSON()
		if got := string(stamps.AppendJSON([]byte("x"))); got != "x"+want || err != nil || string(text) != want || gql.String() != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		i := 0
		for word := range stamps.RFC3339() {
			if string(word) != words[i] {
				t.Fatalf("got %s, want %s", word, words[i])
			}
			i++
		}
		if i != len(instants) || stamps.Len() != len(instants) {
			t.Fatalf("%d texts and %d instants of %d", i, stamps.Len(), len(instants))
		}
		if again := NewTimestamps(interval, instants...); !again.same(stamps) {
			t.Fatalf("%+v became %+v", stamps, again)
		}
	})
	if zero := (Timestamps{}); zero.String() != "[]" || zero.Len() != 0 || len(zero.Values()) != 0 {
		t.Errorf("the zero value: %s", zero)
	}
	all := spanning(Hourly, Range{day(1), day(3)})
	if !slices.Equal(all.Values(), slices.Collect(all.All())) || all.Len() != 48 || len(all.ranges) != 1 || spanning(Daily, Range{day(3), day(1)}).Len() != 0 {
		t.Errorf("got %+v", all)
	}
	for range all.All() { // whoever stops is not asked again
		break
	}
	for range all.RFC3339() {
		break
	}
}

// TestACachedChartCostsTheSameWhateverItsLength keeps the walk of a warm chart from doing anything for each point.
func TestACachedChartCostsTheSameWhateverItsLength(t *testing.T) {
	const most = 10
	for _, n := range []int{30, 2160, 87_600} {
		req, c := benchChart(n)
		encoded := encodeChart(req, c)
		if got := testing.AllocsPerRun(20, func() { _, _ = decodeChart(req, c.Asset, encoded) }); got > most {
			t.Errorf("decoding %d points: %v allocations, at most %d", n, got, most)
		}
		b := make([]byte, 0, c.Timestamps.Size()+c.Prices.Size()+c.MarketCaps.Size()+c.Volumes.Size())
		append4 := func() {
			_ = c.Volumes.AppendJSON(c.MarketCaps.AppendJSON(c.Prices.AppendJSON(c.Timestamps.AppendJSON(b))))
		}
		if got := testing.AllocsPerRun(20, append4); got != 0 {
			t.Errorf("appending %d points: %v allocations", n, got)
		}
		walkTexts := func() {
			for texts, text := c.Prices.Texts(), []byte{}; text != nil; {
				text = texts.Next()
			}
		}
		if got := testing.AllocsPerRun(20, walkTexts); got != 0 {
			t.Errorf("walking through %d texts: %v allocations", n, got)
		}
	}
}
