package limit_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
)

var discard = slog.New(slog.DiscardHandler)

// TestMain silences the client library, which writes to stderr what these tests cause on purpose.
func TestMain(m *testing.M) {
	cache.RedirectClientLog(discard)
	os.Exit(m.Run())
}

// absent skips a test that lacks something of its environment; in CI nothing may lack.
func absent(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s, and CI must not skip", what)
	}
	t.Skipf("%s: run the tests with make test", what)
}

// testURL is the URL of a server that make test provides. It may be shared: tests leave what they did not put there.
func testURL(t testing.TB, variable string) string {
	t.Helper()
	u := os.Getenv(variable)
	if u == "" {
		absent(t, variable+" is not set")
	}
	return u
}

// open makes a client as the program does.
func open(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	c, err := cache.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// await polls until the condition holds.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	const patience = 20 * time.Second
	for deadline := time.Now().Add(patience); !cond(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// server is a redis-server of the test's own, to be hung and killed.
type server struct {
	dir, addr string
	args      []string
	cmd       *exec.Cmd
}

func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		absent(t, "there is no redis-server to start and to break")
	}
	s := &server{dir: t.TempDir(), addr: freeAddr(t), args: args}
	t.Cleanup(s.kill)
	s.start(t)
	return s
}

// freeAddr is an address of the loopback that nobody listens at, with room for a cluster's bus 10000 ports above it.
func freeAddr(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if a := l.Addr().(*net.TCPAddr); a.Port < 1<<16-10000 {
			return a.String()
		}
	}
}

func (s *server) url() string { return "redis://" + s.addr }

func (s *server) start(t testing.TB) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", ""}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the server", s.speaks)
}

// speaks tells whether the server answers a command well.
func (s *server) speaks() bool {
	c, err := net.DialTimeout("tcp", s.addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, "PING\r\n"); err != nil {
		return false
	}
	b := make([]byte, 1)
	_, err = c.Read(b)
	return err == nil && b[0] == '+'
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill() // one that is stopped too
	_ = s.cmd.Wait()
}

func (s *server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// keys are the keys of a server or a cluster that match the pattern.
func keys(t testing.TB, c redis.UniversalClient, pattern string) []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	scan := func(ctx context.Context, node *redis.Client) error {
		for it := node.Scan(ctx, 0, pattern, 1000).Iterator(); ; {
			if !it.Next(ctx) {
				return it.Err()
			}
			mu.Lock()
			all = append(all, it.Val())
			mu.Unlock()
		}
	}
	var err error
	if cluster, ok := c.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), scan)
	} else {
		err = scan(t.Context(), c.(*redis.Client))
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lines counts lines of a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(b))
	return len(b), nil
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) with(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.all {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

const slots = 16384 // of a cluster

// newCluster is a cluster of two masters of the test's own, with half of the slots each.
func newCluster(t testing.TB) [2]*server {
	t.Helper()
	var nodes [2]*server
	for i := range nodes {
		s := newServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "60000")
		c := redis.NewClient(&redis.Options{Addr: s.addr})
		defer c.Close()
		if err := c.Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.ClusterAddSlotsRange(t.Context(), slots/2*i, slots/2*(i+1)-1).Err(); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			host, port, _ := net.SplitHostPort(nodes[0].addr)
			if err := c.ClusterMeet(t.Context(), host, port).Err(); err != nil {
				t.Fatal(err)
			}
		}
		nodes[i] = s
	}
	for _, s := range nodes {
		c := redis.NewClient(&redis.Options{Addr: s.addr})
		defer c.Close()
		await(t, "the cluster", func() bool {
			info := c.ClusterInfo(t.Context()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:2")
		})
	}
	return nodes
}
