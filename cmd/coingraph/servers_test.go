package main

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/fetch/simulator"
)

func randomName() string { return rand.Text()[:12] }

func onServer(t testing.TB, url, statement string) {
	t.Helper()
	ctx := context.Background() // also from a Cleanup, where the test's own has ended
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

// redisClient is a client beside the App's.
func redisClient(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := cache.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// oneValue is what a statement of one row and one column gives, as text.
func oneValue(t *testing.T, url, statement string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), statement).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// clearCache takes what other tests cached out of a Redis or a Redis Cluster, and nothing else.
func clearCache(t *testing.T, url string) {
	t.Helper()
	deleteKeys(t, url, "price:*", "chart:*", "onchain:*")
}

// forgetQuotas takes what is kept of the provider's quota out of a Redis or a Redis Cluster.
func forgetQuotas(t *testing.T, url string) {
	t.Helper()
	deleteKeys(t, url, "quota:{coingecko}*")
}

func deleteKeys(t *testing.T, url string, patterns ...string) {
	t.Helper()
	client := redisClient(t, url)
	for _, pattern := range patterns {
		for _, key := range keysOfAll(t, client, pattern) { // one by one: a cluster's keys are in different slots
			if err := client.Del(t.Context(), key).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// keysOfAll are the keys of a Redis, or of all masters of a Redis Cluster.
func keysOfAll(t *testing.T, client redis.UniversalClient, pattern string) []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	collect := func(ctx context.Context, node redis.Cmdable) error {
		keys, err := node.Keys(ctx, pattern).Result()
		mu.Lock()
		defer mu.Unlock()
		all = append(all, keys...)
		return err
	}
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error { return collect(ctx, node) })
	} else {
		err = collect(t.Context(), client)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// valve is a TCP proxy that can be shut: what is behind it is then down for whoever goes through.
type valve struct {
	address string
	target  string
	mu      sync.Mutex
	open    bool
	conns   map[net.Conn]bool
}

func newValve(t *testing.T, target string) *valve {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{address: listener.Addr().String(), target: target, conns: make(map[net.Conn]bool)}
	t.Cleanup(func() {
		listener.Close()
		v.set(false)
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go v.pass(conn)
		}
	}()
	return v
}

func (v *valve) pass(conn net.Conn) {
	defer conn.Close()
	v.mu.Lock()
	open := v.open
	v.mu.Unlock()
	if !open {
		return
	}
	behind, err := net.Dial("tcp", v.target)
	if err != nil {
		return
	}
	defer behind.Close()
	v.mu.Lock()
	v.conns[conn], v.conns[behind] = true, true
	v.mu.Unlock()
	go func() {
		_, _ = io.Copy(behind, conn)
		behind.Close()
	}()
	_, _ = io.Copy(conn, behind)
	v.mu.Lock()
	delete(v.conns, conn)
	delete(v.conns, behind)
	v.mu.Unlock()
}

// set opens or shuts the valve; shut, it breaks the connections that go through it.
func (v *valve) set(open bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = open
	if !open {
		for c := range v.conns {
			c.Close()
		}
	}
}

// serveHTTP serves a simulator on loopback and gives the address of its API.
func serveHTTP(t testing.TB, sim *simulator.Simulator) string {
	t.Helper()
	s := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Clear()
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL + "/api/v3"
}
