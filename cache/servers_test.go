package cache_test

import (
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
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
	t.Skipf("%s: run the tests with scripts/test", what)
}

// testURL is the URL of a server that scripts/test provides. It may be shared: tests leave what they did not put there.
func testURL(t testing.TB, variable string) string {
	t.Helper()
	u := os.Getenv(variable)
	if u == "" {
		absent(t, variable+" is not set")
	}
	return u
}

// open makes a client as the program does.
func open(t testing.TB, u string) redis.UniversalClient {
	t.Helper()
	c, err := cache.Open(u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// openPatient makes a client whose answers matter, and not how soon they come. A Cluster's would send again after its own
// timeout, which patience therefore stays below.
func openPatient(t testing.TB, u string) redis.UniversalClient {
	t.Helper()
	return open(t, u+"?dial_timeout=30s&read_timeout=30s&write_timeout=30s")
}

// unreachable is a client of a port where nobody listens.
func unreachable(t *testing.T) redis.UniversalClient {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return open(t, "redis://"+l.Addr().String())
}

// await polls until the condition holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	awaitFor(t, 20*time.Second, what, cond)
}

func awaitFor(t *testing.T, patience time.Duration, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// server is a redis-server of the test's own, to be stopped, starved and killed.
type server struct {
	dir, addr string
	cmd       *exec.Cmd
}

func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		absent(t, "there is no redis-server to start and to break")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s := &server{dir: t.TempDir(), addr: l.Addr().String()}
	t.Cleanup(s.kill)
	s.start(t, args...)
	await(t, "the server", func() bool { return s.speaks() })
	return s
}

func (s *server) start(t *testing.T, args ...string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--enable-protected-configs", "yes"}, args...)...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// speaks tells whether the server answers anything at all.
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
	_, err = c.Read(make([]byte, 1))
	return err == nil
}

func (s *server) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// admin does a command on a connection of its own, and wants it to succeed.
func (s *server) admin(t *testing.T, args ...any) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.addr})
	defer c.Close()
	do(t, c, args...)
}

func do(t *testing.T, c *redis.Client, args ...any) {
	t.Helper()
	if err := c.Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func (s *server) url() string { return "redis://" + s.addr }

// proxy is the network between a client and a Redis, which can be made to fail.
type proxy struct {
	addr   string
	target string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	changed  chan struct{} // closed when hanging or delay change
	hanging  bool
	delay    time.Duration
	resets   bool
	allowed  atomic.Int64 // bytes of answers still to pass; negative: no bound
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{addr: "127.0.0.1:0", target: target, conns: make(map[net.Conn]bool), changed: make(chan struct{})}
	p.allowed.Store(-1)
	p.listen(t)
	t.Cleanup(p.refuse)
	return p
}

// newProxyOf is a proxy to the shared Redis, and its URL.
func newProxyOf(t *testing.T) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(testURL(t, "TEST_REDIS_URL"))
	if err != nil {
		t.Fatal("TEST_REDIS_URL is malformed")
	}
	p := newProxy(t, u.Host)
	u.Host = p.addr
	return p, u.String()
}

func (p *proxy) listen(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.addr = l, l.Addr().String()
	go p.serve(l)
}

func (p *proxy) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		resets := p.resets
		p.mu.Unlock()
		if resets {
			_ = client.Close()
			continue
		}
		target, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[target] = true, true
		p.mu.Unlock()
		go p.copy(target, client, nil)
		go p.copy(client, target, &p.allowed)
	}
}

func (p *proxy) copy(to, from net.Conn, allowed *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.wait()
		if allowed != nil && allowed.Load() >= 0 {
			if left := allowed.Add(-int64(n)); left < 0 {
				_, _ = to.Write(buf[:max(0, int64(n)+left)])
				p.hang(true)
				p.wait()
				return
			}
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// wait holds a packet back for as long as the network is bad.
func (p *proxy) wait() {
	start := time.Now()
	for {
		p.mu.Lock()
		hanging, delay, changed := p.hanging, p.delay, p.changed
		p.mu.Unlock()
		left := delay - time.Since(start)
		if !hanging && left <= 0 {
			return
		}
		var timer <-chan time.Time
		if !hanging {
			timer = time.After(left)
		}
		select {
		case <-changed:
		case <-timer:
		}
	}
}

func (p *proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *proxy) hang(on bool) { p.change(func() { p.hanging = on }) }

func (p *proxy) slow(d time.Duration) { p.change(func() { p.delay = d }) }

func (p *proxy) cutAfter(bytes int64) { p.allowed.Store(bytes) }

// refuse closes the port and all connections.
func (p *proxy) refuse() {
	p.change(func() {
		_ = p.listener.Close()
		p.hanging, p.delay = false, 0
	})
	p.drop()
}

// reset accepts connections and closes them at once.
func (p *proxy) reset(on bool) {
	p.change(func() { p.resets = on })
	p.drop()
}

func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
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
