package main

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// TestFormats: rows as CSV and NDJSON have the doubles of the JSON form, bit for bit.
func TestFormats(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		const chart = "/market_chart?asset=bitcoin&days=400"
		var columns struct {
			Timestamps []int64
			Prices     []*float64
			MarketCaps []*float64 `json:"market_caps"`
			Volumes    []*float64
		}
		inJSON := s.get(chart, publicKey)
		if err := json.Unmarshal([]byte(inJSON.body), &columns); err != nil {
			t.Fatal(err)
		}
		inCSV := s.do(http.MethodGet, chart, publicKey, map[string]string{"Accept": "text/csv"}, "")
		if again := s.get(chart+"&format=csv", publicKey); again.body != inCSV.body || !strings.HasPrefix(inCSV.header.Get("Content-Type"), "text/csv") {
			t.Errorf("by header and by parameter: %v", inCSV.header)
		}
		rows, err := csv.NewReader(strings.NewReader(inCSV.body)).ReadAll()
		if err != nil || len(rows) != 401 || !slices.Equal(rows[0], []string{"timestamp", "price", "market_cap", "volume"}) {
			t.Fatalf("%v, %d rows, %v", err, len(rows), rows[0])
		}
		inNDJSON := s.do(http.MethodGet, chart, publicKey, map[string]string{"Accept": "text/html, application/x-ndjson;q=0.9, */*;q=0.1"}, "")
		lines := strings.Split(strings.TrimSuffix(inNDJSON.body, "\n"), "\n")
		if inNDJSON.header.Get("Content-Type") != "application/x-ndjson" || len(lines) != 400 {
			t.Fatalf("%d lines, %v", len(lines), inNDJSON.header)
		}
		for i, stamp := range columns.Timestamps {
			var line struct {
				Timestamp time.Time
				Price     *float64
				Cap       *float64 `json:"market_cap"`
				Volume    *float64
			}
			if err := json.Unmarshal([]byte(lines[i]), &line); err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, rows[i+1][0])
			if err != nil || at.UnixMilli() != stamp || line.Timestamp.UnixMilli() != stamp {
				t.Fatalf("row %d: %v, %v", i, rows[i+1], line)
			}
			for n, want := range []*float64{columns.Prices[i], columns.MarketCaps[i], columns.Volumes[i]} {
				got := []*float64{line.Price, line.Cap, line.Volume}[n]
				cell := rows[i+1][n+1]
				if want == nil {
					if cell != "" || got != nil {
						t.Errorf("null is %q and %v", cell, got)
					}
					continue
				}
				if f, err := strconv.ParseFloat(cell, 64); err != nil || f != *want || got == nil || *got != *want {
					t.Errorf("row %d has %s and %v, want %v", i, cell, got, *want)
				}
			}
		}

		prices := s.get("/simple_price?assets=ethereum,bitcoin,ethereum&currencies=usd,eur&format=csv", publicKey)
		rows, err = csv.NewReader(strings.NewReader(prices.body)).ReadAll()
		if err != nil || len(rows) != 5 || rows[1][0] != "ethereum" || rows[4][1] != "eur" || len(rows[0]) != 10 {
			t.Errorf("%v %s", err, prices.body)
		}
		prices = s.get("/simple_price?assets=ethereum,bitcoin&format=ndjson", publicKey)
		if lines := strings.Split(prices.body, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], `{"asset":"bitcoin","currency":"usd","price":`) {
			t.Error(prices.body)
		}

		// An ETag belongs to one form.
		tags := map[string]bool{}
		for _, r := range []reply{inJSON, inCSV, inNDJSON} {
			tags[r.header.Get("ETag")] = true
			if !strings.HasPrefix(r.header.Get("ETag"), `W/"`) || r.header.Get("Age") == "" || !strings.Contains(r.header.Get("Vary"), "Accept, Accept-Encoding") {
				t.Errorf("header %v", r.header)
			}
		}
		if len(tags) != 3 {
			t.Errorf("tags %v", tags)
		}
		if r := s.do(http.MethodGet, chart, publicKey, map[string]string{"Accept": "text/csv", "If-None-Match": inCSV.header.Get("ETag")}, ""); r.status != 304 || r.body != "" || r.header.Get("ETag") != inCSV.header.Get("ETag") {
			t.Errorf("%d %v", r.status, r.header)
		}
		for path, accept := range map[string]string{chart: "image/png", chart + "&days=1": "", chart + "&format=xml": ""} {
			want := map[bool]int{true: 406, false: 400}[accept != ""]
			r := s.do(http.MethodGet, path, publicKey, map[string]string{"Accept": accept}, "")
			if accept == "" {
				r = s.get(path, publicKey)
			}
			if r.status != want || !strings.Contains(r.header.Get("Content-Type"), "problem+json") {
				t.Errorf("%s as %q: %d %s", path, accept, r.status, r.body)
			}
		}
	})
}

// TestCompression: answers come compressed to who asks for it, and are the same.
func TestCompression(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/market_chart?asset=bitcoin&days=100", "/api/v3/coins/list", "/market_chart?asset=bitcoin&days=100&format=csv"} {
		want := s.get(path, publicKey)
		if want.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: compressed for nobody", path)
		}
		for accept, encoding := range map[string]string{"gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "br, gzip;q=0.5": "gzip", "gzip;q=0": "", "identity": ""} {
			r := s.do(http.MethodGet, path, publicKey, map[string]string{"Accept-Encoding": accept}, "")
			var plainBody []byte
			var err error
			switch encoding {
			case "gzip":
				var z *gzip.Reader
				if z, err = gzip.NewReader(strings.NewReader(r.body)); err == nil {
					plainBody, err = io.ReadAll(z)
				}
			case "zstd":
				var z *zstd.Decoder
				if z, err = zstd.NewReader(strings.NewReader(r.body)); err == nil {
					plainBody, err = io.ReadAll(z)
				}
			default:
				plainBody = []byte(r.body)
			}
			if err != nil || r.header.Get("Content-Encoding") != encoding || string(plainBody) != want.body || r.header.Get("ETag") != want.header.Get("ETag") {
				t.Errorf("%s as %s: %v, %v", path, accept, err, r.header)
			}
			if encoding != "" && len(r.body)*2 > len(want.body) {
				t.Errorf("%s as %s: %d bytes of %d", path, accept, len(r.body), len(want.body))
			}
		}
	}
	if r := s.do(http.MethodGet, "/logs/export", adminKey, map[string]string{"Accept-Encoding": "gzip, zstd"}, ""); r.header.Get("Content-Encoding") != "" {
		t.Errorf("a file that is compressed already: %v", r.header)
	}
}
