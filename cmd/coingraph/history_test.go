package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportAndExport is what an operator does: a file comes in, goes out, and comes in again elsewhere.
func TestImportAndExport(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		dir := t.TempDir()
		environ := []string{"DATABASE_URL=" + s.env["DATABASE_URL"], "DATA_DIR=" + s.env["DATA_DIR"], "LOG_LEVEL=error"}
		command := func(environ []string, want int, args ...string) (stdout, stderr string) {
			t.Helper()
			var out, errs strings.Builder
			if code := run(t.Context(), args, environ, &out, &errs); code != want {
				t.Fatalf("%v: exit code %d, want %d; %s%s", args, code, want, &out, &errs)
			}
			return out.String(), errs.String()
		}
		file := func(name, text string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		const csv = "timestamp,price,market_cap,volume\n1735689600000,100,,7\n1735776000000,101,1e+21,\n"
		mine := file("mine.csv", csv)
		series := []string{"--asset", "litecoin", "--currency", "eur"}
		if out, _ := command(environ, 0, append([]string{"import", "--file", mine, "--source", "mine"}, series...)...); out != "2 rows stored, 0 quarantined\n" {
			t.Errorf("got %q", out)
		}
		if out, _ := command(environ, 0, "export", "--assets", "litecoin", "--currencies", "eur"); out != csv {
			t.Errorf("got %q, want %q", out, csv)
		}
		if out, _ := command(environ, 0, "export", "--assets", "litecoin", "--currencies", "eur", "--from", "2025-01-02", "--to", "2025-01-02T12:00:00Z"); strings.Count(out, "\n") != 2 {
			t.Errorf("got %q", out)
		}
		all := filepath.Join(dir, "all.ndjson")
		command(environ, 0, "export", "--assets", "litecoin", "--currencies", "eur", "--format", "ndjson", "--out", all)
		elsewhere := []string{"DATA_DIR=" + t.TempDir(), "LOG_LEVEL=error"}
		command(elsewhere, 0, "import", "--format", "ndjson", "--file", all)
		written, err := os.ReadFile(all)
		if err != nil {
			t.Fatal(err)
		}
		if out, _ := command(elsewhere, 0, "export", "--assets", "litecoin", "--currencies", "eur", "--format", "ndjson"); out != string(written) || !strings.Contains(out, `"source":"mine"`) {
			t.Errorf("got %q, want %q", out, written)
		}
		body := file("body.json", `{"prices":[[1735689600000,1],[1735776000000,5000],[1735862400000,1.1]],"market_caps":[[1735689600000,null]],"total_volumes":[]}`)
		if out, _ := command(environ, 0, "import", "--format", "coingecko", "--file", body, "--asset", "monero", "--currency", "usd"); out != "2 rows stored, 1 quarantined\n" {
			t.Errorf("got %q", out)
		}
		if out, _ := command(append(environ, "GUARD_SPIKE_FACTOR=0"), 0, "import", "--format", "coingecko", "--file", body, "--asset", "dash", "--currency", "usd"); out != "3 rows stored, 0 quarantined\n" {
			t.Errorf("without the guard: %q", out)
		}

		if _, errs := command(environ, 1, append([]string{"import", "--file", file("bad.csv", csv+"x,1,1,1\n")}, series...)...); !strings.Contains(errs, "line 4: ") {
			t.Errorf("a bad line: %q", errs)
		}
		if _, err := os.Stat(filepath.Join(dir, "none.csv")); err == nil {
			t.Error("there is a file before it was written")
		}
		for _, args := range [][]string{
			{"import", "--file", mine, "--asset", "a b/c", "--currency", "usd"},
			{"import", "--file", mine, "--asset", "litecoin", "--currency", "nonesuch"},
			{"import", "--file", mine, "--asset", "litecoin", "--metric", "nonesuch"},
			{"import", "--file", mine, "--currency", "usd", "--metric", "mvrv"},
			{"import", "--file", mine, "--source", "No Name"},
			{"import", "--file", body, "--format", "coingecko"},
			{"export", "--assets", "bitcoin", "--currencies", "nonesuch"},
			{"export", "--assets", "bitcoin", "--metric", "nonesuch"},
			{"export", "--assets", "bitcoin", "--metric", "mvrv", "--currencies", "usd"},
			{"export", "--assets", "bitcoin", "--from", "yesterday"},
			{"export", "--assets", "bitcoin", "--from", "2025-01-02", "--to", "2025-01-02"},
			{"export", "--assets", "a b/c"},
			{"export"},
		} {
			if _, errs := command(environ, 2, args...); errs == "" {
				t.Errorf("%v: nothing was said", args)
			}
		}
	})
}
