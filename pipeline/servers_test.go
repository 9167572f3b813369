package pipeline_test

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
)

var discard = slog.New(slog.DiscardHandler)

// unhurried are the options of a client that leaves it to the lanes when to give up.
const unhurried = "?dial_timeout=30s&read_timeout=30s&write_timeout=30s"

// patience is the timeout of lanes whose answers matter, and not how soon they come.
const patience = 20 * time.Second

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
	for deadline := time.Now().Add(patience); !cond(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// server is a redis-server of the test's own, to be hung.
type server struct {
	addr string
	cmd  *exec.Cmd
}

func newServer(t testing.TB) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		absent(t, "there is no redis-server to start and to break")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s := &server{addr: l.Addr().String()}
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // one that is stopped too
		_ = s.cmd.Wait()
	})
	client := open(t, s.url())
	await(t, "the server", func() bool { return client.Ping(t.Context()).Err() == nil })
	return s
}

func (s *server) url() string {
	return "redis://" + s.addr + "?read_timeout=30s&write_timeout=30s&dial_timeout=30s"
}

func (s *server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
