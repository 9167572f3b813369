// Package cachetest is the contract of [market.Cache] as tests, run on every implementation.
package cachetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

// Patience is how long an expiry may take to be seen, and how much time the caches under test need at least for one
// call: the suite looks at what a cache answers, and not at how soon, on machines that have other work too.
const Patience = 10 * time.Second

// Run tests that what open gives is a cache. It may be shared and have other entries: the keys of each test have a
// random prefix, and their entries expire by themselves. It needs room for 32 MB.
func Run(t *testing.T, open func(*testing.T) market.Cache) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"order", order},
		{"no keys", noKeys},
		{"missing", missing},
		{"repeated keys", repeatedKeys},
		{"empty values", emptyValues},
		{"overwrites", overwrites},
		{"last of equal keys wins", lastWins},
		{"expires", expires},
		{"a new TTL replaces the old", replacesTTL},
		{"TTL not positive", noTTL},
		{"huge TTL", hugeTTL},
		{"odd keys", oddKeys},
		{"many keys", manyKeys},
		{"large values", largeValues},
		{"concurrent use", concurrentUse},
		{"context has ended", endedContext},
		{"near", near},
		{"begin", begin},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, suite{open(t), "cachetest:" + rand.Text() + ":"})
		})
	}
}

type suite struct {
	market.Cache
	prefix string
}

func (s suite) entry(key, value string, ttl time.Duration) market.CacheEntry {
	return market.CacheEntry{Key: s.prefix + key, Value: []byte(value), TTL: ttl}
}

func (s suite) set(t *testing.T, entries ...market.CacheEntry) { s.Set(t.Context(), entries) }

// get gives the values of the keys as texts, "-" for a miss.
func (s suite) get(t *testing.T, keys ...string) []string {
	t.Helper()
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = s.prefix + key
	}
	hits := s.Get(t.Context(), full)
	if len(hits) != len(keys) {
		t.Fatalf("%d hits for %d keys", len(hits), len(keys))
	}
	values := make([]string, len(hits))
	for i, hit := range hits {
		if values[i] = "-"; hit.Value != nil {
			values[i] = string(hit.Value)
		}
	}
	return values
}

func (s suite) want(t *testing.T, keys, values string) {
	t.Helper()
	if got := strings.Join(s.get(t, strings.Fields(keys)...), " "); got != values {
		t.Errorf("keys %s: got %s, want %s", keys, got, values)
	}
}

func order(t *testing.T, s suite) {
	s.set(t, s.entry("a", "1", time.Minute), s.entry("b", "2", time.Minute), s.entry("c", "3", time.Minute))
	s.want(t, "c x a y b", "3 - 1 - 2")
	s.want(t, "a b c", "1 2 3")
	s.want(t, "b", "2")
}

// near: a look-up in this process's memory finds what a look-up finds, or nothing.
func near(t *testing.T, s suite) {
	s.set(t, s.entry("a", "1", time.Minute))
	s.want(t, "a b", "1 -") // wherever it was, a memory there is has it now
	keys := []string{s.prefix + "b", s.prefix + "a"}
	hits := s.Near(keys)
	if len(hits) != 2 || hits[0].Value != nil {
		t.Fatalf("got %+v", hits)
	}
	found := hits[1].Value != nil
	if found != hits[1].Near || found && string(hits[1].Value) != "1" {
		t.Errorf("got %+v", hits[1])
	}
	// A memory without room may have dropped it by now, but nothing has put it there.
	if s.Get(t.Context(), keys)[1].Near && !found {
		t.Error("Get finds near what Near does not")
	}
}

// begin: a look-up that is waited for later finds what a look-up finds, whatever became of those begun before it that
// nobody waits for.
func begin(t *testing.T, s suite) {
	s.set(t, s.entry("a", "1", time.Minute), s.entry("b", "2", time.Minute))
	keys := []string{s.prefix + "b", s.prefix + "x", s.prefix + "a"}
	var group sync.WaitGroup
	for i := range 200 {
		wait := s.Begin(t.Context(), keys)
		if i%2 == 0 {
			continue
		}
		check := func() {
			hits := wait()
			if len(hits) != 3 || string(hits[0].Value) != "2" || hits[1].Value != nil || string(hits[2].Value) != "1" {
				t.Errorf("got %v", hits)
			}
		}
		if i%3 == 0 {
			group.Go(check) // while others begin
		} else {
			check()
		}
	}
	group.Wait()
	if hits := s.Begin(t.Context(), nil)(); len(hits) != 0 {
		t.Errorf("%d hits for no keys", len(hits))
	}
	ended, cancel := context.WithCancel(t.Context())
	wait := s.Begin(ended, keys)
	cancel()
	if hits := wait(); len(hits) != 3 || hits[1].Value != nil {
		t.Errorf("got %v", hits)
	}
	s.want(t, "a b", "1 2")
}

func noKeys(t *testing.T, s suite) {
	s.set(t)
	if hits := s.Get(t.Context(), nil); len(hits) != 0 {
		t.Errorf("%d hits for no keys", len(hits))
	}
}

func missing(t *testing.T, s suite) {
	s.want(t, "a b", "- -")
	for _, hit := range s.Get(t.Context(), []string{s.prefix + "a"}) {
		if hit.Near {
			t.Error("a miss was found near")
		}
	}
}

func repeatedKeys(t *testing.T, s suite) {
	s.set(t, s.entry("a", "1", time.Minute))
	s.want(t, "a b a b", "1 - 1 -")
}

func emptyValues(t *testing.T, s suite) {
	s.set(t, s.entry("empty", "", time.Minute), market.CacheEntry{Key: s.prefix + "nil", TTL: time.Minute})
	for range 2 { // the second time perhaps from another tier
		for i, hit := range s.Get(t.Context(), []string{s.prefix + "empty", s.prefix + "nil"}) {
			if hit.Value == nil || len(hit.Value) != 0 {
				t.Errorf("value %d: got %v, want an empty one that is not nil", i, hit.Value)
			}
		}
	}
}

func overwrites(t *testing.T, s suite) {
	for _, v := range []string{"1", "22", "", "4"} {
		s.set(t, s.entry("a", v, time.Minute))
		s.want(t, "a", v)
	}
}

func lastWins(t *testing.T, s suite) {
	s.set(t, s.entry("a", "1", time.Minute), s.entry("a", "2", time.Minute))
	s.want(t, "a", "2")
}

func expires(t *testing.T, s suite) {
	s.set(t, s.entry("short", "1", 50*time.Millisecond), s.entry("long", "2", time.Hour))
	s.awaitMiss(t, "short")
	s.want(t, "short long", "- 2")
	s.set(t, s.entry("short", "3", time.Hour))
	s.want(t, "short", "3")
}

func replacesTTL(t *testing.T, s suite) {
	s.set(t, s.entry("a", "1", 50*time.Millisecond), s.entry("b", "1", time.Hour), s.entry("c", "1", 50*time.Millisecond))
	s.set(t, s.entry("a", "2", time.Hour), s.entry("b", "2", 50*time.Millisecond))
	s.awaitMiss(t, "c")
	s.awaitMiss(t, "b")
	s.want(t, "a", "2")
}

// awaitMiss waits until the key has expired.
func (s suite) awaitMiss(t *testing.T, key string) {
	t.Helper()
	for deadline := time.Now().Add(Patience); s.get(t, key)[0] != "-"; {
		if time.Now().After(deadline) {
			t.Fatalf("%s has not expired", key)
		}
	}
}

func noTTL(t *testing.T, s suite) {
	s.set(t, s.entry("zero", "1", 0), s.entry("past", "1", -time.Second), s.entry("b", "2", time.Minute))
	s.want(t, "zero past b", "- - 2")
	// Not stored is not deleted either.
	s.set(t, s.entry("b", "3", 0))
	s.want(t, "b", "2")
}

func hugeTTL(t *testing.T, s suite) {
	// Not many: these stay in a shared server for long.
	s.set(t, s.entry("a", "1", 1<<63-1))
	s.want(t, "a", "1")
	s.set(t, s.entry("a", "1", time.Second))
}

func oddKeys(t *testing.T, s suite) {
	keys := []string{
		"price:boringdao-[old]:usd:latest", "price:1move token:usd:latest", "price:0x:usd:latest", "a{b}c", "{}", "{", "a b  c",
		"*", "?", "\\", "a\r\nSET x 1", "a\x00b", "\xff\xfe", "ключ", "🗝", "%s%d", strings.Repeat("long", 2000), "",
	}
	var entries []market.CacheEntry
	for i, key := range keys {
		entries = append(entries, s.entry(key, fmt.Sprint("value of ", i), time.Minute))
	}
	s.set(t, entries...)
	for i, got := range s.get(t, keys...) {
		if want := fmt.Sprint("value of ", i); got != want {
			t.Errorf("key %.40q: got %q, want %q", keys[i], got, want)
		}
	}
	s.want(t, "x", "-")
}

// manyKeys is the largest question that the API takes: 250 assets in 50 currencies.
func manyKeys(t *testing.T, s suite) {
	const n = 12_500
	keys, entries := make([]string, n), make([]market.CacheEntry, 0, n)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		if i%5 != 0 {
			entries = append(entries, s.entry(keys[i], fmt.Sprint("v", i), time.Minute))
		}
	}
	s.set(t, entries...)
	wrong := 0
	for i, got := range s.get(t, keys...) {
		want := fmt.Sprint("v", i)
		if i%5 == 0 {
			want = "-"
		}
		if got != want {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d keys have the wrong answer", wrong, n)
	}
}

func largeValues(t *testing.T, s suite) {
	sizes := []int{1, 7, 8, 9, 4 << 10, 64 << 10, 1 << 20}
	var keys []string
	values := make([][]byte, len(sizes))
	for i, size := range sizes {
		values[i] = make([]byte, size)
		_, _ = rand.Read(values[i]) // it never fails
		keys = append(keys, fmt.Sprint(size))
		s.set(t, market.CacheEntry{Key: s.prefix + keys[i], Value: values[i], TTL: time.Minute})
	}
	for i, got := range s.get(t, keys...) {
		if !bytes.Equal([]byte(got), values[i]) {
			t.Errorf("a value of %d bytes came back as %d other bytes", sizes[i], len(got))
		}
	}
}

func concurrentUse(t *testing.T, s suite) {
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = fmt.Sprint(s.prefix, i)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for round := range 20 {
				entries := make([]market.CacheEntry, len(keys))
				for i, key := range keys {
					entries[i] = market.CacheEntry{Key: key, Value: fmt.Appendf(nil, "%s=%d", key, round), TTL: time.Minute}
				}
				s.Set(t.Context(), entries)
				for i, hit := range s.Get(t.Context(), keys) {
					if !bytes.HasPrefix(hit.Value, []byte(keys[i]+"=")) {
						t.Errorf("key %q: got %q", keys[i], hit.Value)
					}
				}
			}
		})
	}
	wg.Wait()
}

// endedContext: a caller that has gone gets an answer all the same, and spoils nothing for others.
func endedContext(t *testing.T, s suite) {
	s.set(t, s.entry("a", "1", time.Minute))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		s.Set(ended, []market.CacheEntry{s.entry("b", "2", time.Minute)})
		if hits := s.Get(ended, []string{s.prefix + "a", s.prefix + "c"}); len(hits) != 2 || hits[1].Value != nil {
			t.Fatalf("got %v", hits)
		}
	}
	s.want(t, "a", "1")
}
