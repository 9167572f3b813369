package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// process is a server under test.
type process struct {
	name string
	addr string
	cmd  *exec.Cmd
}

// cpu is the time that the process has spent on all of its threads, those that ended too: proc(5), stat.
func (p *process) cpu() (time.Duration, error) {
	s, err := statOf(p.cmd.Process.Pid)
	return s.own, err
}

// stat is what proc(5) tells of a process.
type stat struct {
	parent int
	own    time.Duration // CPU time of all its threads, those that ended too
	ended  time.Duration // CPU time of the children that ended
}

func statOf(pid int) (s stat, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	const parent, user = 1, 11 // counted from the state
	if s.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return s, err
	}
	var times [4]time.Duration // user, system, and those of children
	for i := range times {
		n, err := strconv.ParseInt(fields[user+i], 10, 64)
		if err != nil {
			return s, err
		}
		const perSecond = 100 // USER_HZ, which Linux shows everywhere
		times[i] = time.Duration(n) * time.Second / perSecond
	}
	s.own, s.ended = times[0]+times[1], times[2]+times[3]
	return s, nil
}

// peak is the most memory that the process has had in RAM, in MiB.
func (p *process) peak() (float64, error) { return p.status("VmHWM:") }

// resident is how much it has there now, in MiB.
func (p *process) resident() (float64, error) { return p.status("VmRSS:") }

func (p *process) status(field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s", field)
}

// rig is all that runs.
type rig struct {
	dir                string
	database           string // a URL
	redisURL, emptyURL string // two databases of a Redis
	assets             []string
	common             []string // of the gateways' environment
	workloads          []workload
	processes          map[string]*process
	market             *simulator.Simulator
	upstream           *http.Server
	drop               func() error
}

// names of the processes.
const (
	limitStatic, limitRedisGet, limitPG = "limit-static", "limit-redis", "limit-pg"

	gateway       = "gateway"        // as it is
	gatewayLocal  = "gateway-local"  // without Redis: the meter and the cache are in the process
	gatewaySilent = "gateway-silent" // whose requests write no line
	gatewayAsking = "gateway-asking" // that leases no units: each operation asks the meter in Redis
	gatewayWarm   = "gateway-warm"   // without the reuse of answers
	gatewayFar    = "gateway-far"    // without memory: every value comes from Redis
	gatewayStale  = "gateway-stale"  // whose Redis holds no prices, and whose Postgres does
)

func newRig(ctx context.Context, o options) (_ *rig, err error) {
	r, err := openRig(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	for _, g := range []struct {
		name string
		env  []string
	}{
		{gateway, []string{"REDIS_URL=" + r.redisURL}},
		{gatewayLocal, nil},
		{gatewaySilent, []string{"REDIS_URL=" + r.redisURL, "LOG_LEVEL=error"}},
		{gatewayAsking, []string{"REDIS_URL=" + r.redisURL, "RATE_LIMIT_LEASE=0"}},
		{gatewayWarm, []string{"REDIS_URL=" + r.redisURL, "ANSWER_CACHE=0"}},
		{gatewayFar, []string{"REDIS_URL=" + r.redisURL, "ANSWER_CACHE=0", "MEMORY_CACHE=0"}},
		{gatewayStale, []string{"REDIS_URL=" + r.emptyURL, "PRICE_TTL=1s"}},
	} {
		if err := r.serve(ctx, g.name, o.program, g.env...); err != nil {
			return nil, err
		}
	}
	if err := r.warmUp(ctx); err != nil {
		return nil, err
	}
	if err := r.keepBodies(ctx); err != nil {
		return nil, err
	}
	for name, mode := range map[string]string{limitStatic: "static", limitRedisGet: "redis", limitPG: "pg"} {
		env := []string{"BODIES=" + r.dir, "REDIS_URL=" + r.redisURL, "DATABASE_URL=" + r.database}
		if err := r.start(ctx, name, env, os.Args[0], limitCommand, mode); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// openRig has all that gateways need, but no gateway.
func openRig(ctx context.Context, o options) (_ *rig, err error) {
	r := &rig{processes: make(map[string]*process), drop: func() error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.dir, err = os.MkdirTemp("", "coingraph-bench-"); err != nil {
		return nil, err
	}
	if r.database, err = r.ownDatabase(ctx, o.databaseURL); err != nil {
		return nil, err
	}
	if r.redisURL, r.emptyURL, err = r.ownRedis(ctx, o.redisURL); err != nil {
		return nil, err
	}
	upstream, err := r.serveUpstream(ctx)
	if err != nil {
		return nil, err
	}
	r.workloads = workloads(r.assets)
	r.common = []string{
		"COINGECKO_BASE_URL=" + upstream, "COINGECKO_PLAN=pro", "COINGECKO_API_KEY=CG-bench", "UPSTREAM_LIMITS=coingecko=100000/1m", "SCHEDULER=off",
		"API_KEYS=bench:bench:" + secret + ",admin:admin:" + adminSecret, "RATE_LIMITS=bench/*=2000000000,admin/*=1000", "PRICE_TTL=5h", "CHART_HOURLY_TTL=5h", "CHART_DAILY_TTL=5h", "DATABASE_URL=" + r.database,
	}
	return r, nil
}

// serve starts a gateway, and waits until it is ready.
func (r *rig) serve(ctx context.Context, name, program string, env ...string) error {
	env = slices.Concat(r.common, env, []string{"DATA_DIR=" + filepath.Join(r.dir, name)})
	if err := r.start(ctx, name, env, program, "serve"); err != nil {
		return err
	}
	return r.ready(ctx, name)
}

// stop ends a server.
func (r *rig) stop(name string) error {
	p := r.processes[name]
	delete(r.processes, name)
	return errors.Join(p.cmd.Process.Signal(syscall.SIGTERM), p.cmd.Wait())
}

// start runs a server on an address of its own.
func (r *rig) start(ctx context.Context, name string, env []string, program string, args ...string) error {
	free, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := free.Addr().String()
	_ = free.Close()
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the program that whoever runs this names
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = slices.Concat(os.Environ(), env, []string{"ADDR=" + addr, "LISTEN_ADDR=" + addr})
	log, err := os.Create(filepath.Join(r.dir, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	r.processes[name] = &process{name, addr, cmd}
	return r.await(ctx, name+": a connection", func() bool {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (r *rig) await(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("no %s in time; see %s", what, r.dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (r *rig) ready(ctx context.Context, name string) error {
	addr := r.processes[name].addr
	return r.await(ctx, name+": readiness", func() bool {
		_, err := ask(ctx, addr, request("GET /readyz HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"))
		return err == nil
	})
}

// warmUp asks all gateways all that they will be asked: the first one fetches, the others find it in Redis, or in Postgres.
func (r *rig) warmUp(ctx context.Context) error {
	for _, name := range []string{gateway, gatewayLocal, gatewaySilent, gatewayAsking, gatewayWarm, gatewayFar, gatewayStale} {
		addr := r.processes[name].addr
		for _, w := range r.workloads {
			if w.again || (w.name == "W6") != (name == gatewayStale) {
				continue
			}
			if err := askAll(ctx, addr, slices.Concat(w.requests(addr, w.hot), w.requests(addr, w.warm))); err != nil {
				return fmt.Errorf("%s, %s: %w", name, w.name, err)
			}
		}
	}
	return nil
}

// keepBodies gives the limits the answers that a gateway gave.
func (r *rig) keepBodies(ctx context.Context) error {
	o, err := redis.ParseURL(r.redisURL)
	if err != nil {
		return err
	}
	client := redis.NewClient(o)
	defer client.Close()
	for _, w := range r.workloads {
		name, variables := gateway, w.hot
		if variables == nil {
			name, variables = gatewayWarm, w.warm
		}
		if w.name == "W6" {
			name = gatewayStale
		}
		addr := r.processes[name].addr
		body, err := ask(ctx, addr, w.requests(addr, variables)[0])
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dir, w.name+".json"), body, 0o600); err != nil {
			return err
		}
		if err := client.Set(ctx, limitKey(w.name), body, 0).Err(); err != nil {
			return err
		}
	}
	return nil
}

// serveUpstream serves a market, whose largest assets are asked for, and gives its address.
func (r *rig) serveUpstream(ctx context.Context) (baseURL string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	r.market = simulator.New(simulator.Options{Seed: 1, Now: time.Now, Plan: simulator.Pro, Keys: []string{"CG-bench"}})
	r.upstream = &http.Server{Handler: r.market, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.upstream.Serve(listener) }()
	for _, a := range simulator.Assets()[:250] {
		r.assets = append(r.assets, a.ID)
	}
	return "http://" + listener.Addr().String() + "/api/v3", nil
}

// ownDatabase makes a database that close drops.
func (r *rig) ownDatabase(ctx context.Context, databaseURL string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", err
	}
	admin, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("coingraph_bench_%d", os.Getpid())
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", errors.Join(err, admin.Close(ctx))
	}
	r.drop = func() error {
		ctx := context.WithoutCancel(ctx)
		_, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
		return errors.Join(err, admin.Close(ctx))
	}
	u.Path = "/" + name
	return u.String(), nil
}

// ownRedis empties two databases of the server and gives their URLs.
func (r *rig) ownRedis(ctx context.Context, redisURL string) (first, second string, err error) {
	for db, into := range []*string{&first, &second} {
		u, err := url.Parse(redisURL)
		if err != nil {
			return "", "", err
		}
		u.Path = "/" + strconv.Itoa(db)
		*into = u.String()
		o, err := redis.ParseURL(*into)
		if err != nil {
			return "", "", err
		}
		client := redis.NewClient(o)
		err = client.FlushDB(ctx).Err()
		_ = client.Close()
		if err != nil {
			return "", "", fmt.Errorf("the Redis cannot be emptied: %w", err)
		}
	}
	return first, second, nil
}

func (r *rig) close() error {
	for _, p := range r.processes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	var errs []error
	for _, p := range r.processes {
		if err := p.cmd.Wait(); err != nil && p.name[:len(gateway)] == gateway {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	if r.upstream != nil {
		_ = r.upstream.Close()
	}
	errs = append(errs, r.drop())
	if len(errs) == 1 && r.dir != "" {
		_ = os.RemoveAll(r.dir)
	}
	return errors.Join(errs...)
}

// machine says where this runs.
func machine() string {
	model := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d CPUs, %s", model, cpus, goVersion)
}
