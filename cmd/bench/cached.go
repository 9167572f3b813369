package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// cached is how many values the tiers of a gateway's cache had, by tier, and how many none had, by its metrics.
type cached struct {
	hits   map[string]float64
	misses float64
}

func (p *process) cached(ctx context.Context) (cached, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/metrics", http.NoBody)
	if err != nil {
		return cached{}, err
	}
	q.Header.Set("X-Api-Key", adminSecret)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return cached{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return cached{}, fmt.Errorf("%s: %s", q.URL, answer.Status)
	}
	return readCached(answer.Body)
}

// readCached reads the two counters from Prometheus's text format.
func readCached(r io.Reader) (cached, error) {
	c := cached{hits: make(map[string]float64)}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		name, labels, _ := strings.Cut(series, "{")
		if name != "coingraph_cache_hits_total" && name != "coingraph_cache_misses_total" {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return c, err
		}
		if _, tier, ok := strings.Cut(labels, `tier="`); ok {
			tier, _, _ = strings.Cut(tier, `"`)
			c.hits[tier] += n
			continue
		}
		c.misses += n
	}
	return c, lines.Err()
}

// since is what has come since an earlier reading.
func (c cached) since(before cached) cached {
	d := cached{make(map[string]float64), c.misses - before.misses}
	for tier, n := range c.hits {
		d.hits[tier] = n - before.hits[tier]
	}
	return d
}

func (c cached) total() float64 {
	n := c.misses
	for _, hits := range c.hits {
		n += hits
	}
	return n
}

// share is the part, 0 to 1, that a tier had.
func (c cached) share(tier string) float64 { return c.hits[tier] / max(1, c.total()) }

// missed is the part that no tier had.
func (c cached) missed() float64 { return c.misses / max(1, c.total()) }
