//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bare is a machine with nothing on it.
var bare = machine{lookPath: func(string) (string, error) { return "", exec.ErrNotFound }}

// local is this machine without its docker.
func local() machine {
	m := thisMachine()
	m.lookPath = func(name string) (string, error) {
		if name == "docker" {
			return "", exec.ErrNotFound
		}
		return exec.LookPath(name)
	}
	return m
}

// temporary gives the test a directory for temporary files that other users may pass through, as Postgres has to.
func temporary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	return dir
}

func setURLs(t *testing.T, database, redis, cluster string) {
	t.Setenv("TEST_DATABASE_URL", database)
	t.Setenv("TEST_REDIS_URL", redis)
	t.Setenv("TEST_REDIS_CLUSTER_URL", cluster)
}

func TestWhatIsGivenIsPassedOn(t *testing.T) {
	temporary(t)
	setURLs(t, "a", "b", "c")
	t.Setenv("CI", "true")
	var out bytes.Buffer
	code := run([]string{"--", "sh", "-c", `[ "$TEST_DATABASE_URL$TEST_REDIS_URL$TEST_REDIS_CLUSTER_URL" = abc ] && exit 7`}, nil, &out, bare)
	if code != 7 {
		t.Errorf("exit code %d:\n%s", code, &out)
	}
}

func TestWhatIsMissing(t *testing.T) {
	temporary(t)
	setURLs(t, "", "", "c")
	for ci, want := range map[string]int{"": 3, "true": 1} {
		t.Setenv("CI", ci)
		var out bytes.Buffer
		code := run([]string{"sh", "-c", `[ -z "$TEST_DATABASE_URL$TEST_REDIS_URL" ] && exit 3`}, nil, &out, bare)
		if code != want {
			t.Errorf("CI=%s: exit code %d", ci, code)
		}
		for _, text := range []string{"TEST_DATABASE_URL: there is no docker and no Postgres server", "TEST_REDIS_URL: there is no docker and no redis-server"} {
			if !strings.Contains(out.String(), text) {
				t.Errorf("CI=%s: nothing says %q:\n%s", ci, text, &out)
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	temporary(t)
	setURLs(t, "a", "b", "c")
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 2},
		{[]string{"--"}, 2},
		{[]string{"true"}, 0},
		{[]string{"--", "false"}, 1},
		{[]string{"sh", "-c", "kill -9 $$"}, 128 + 9},
		{[]string{"/nonexistent/command"}, 127},
	} {
		if got := run(c.args, nil, new(bytes.Buffer), bare); got != c.want {
			t.Errorf("%q: exit code %d, want %d", c.args, got, c.want)
		}
	}
}

// TestSignalsReachTheWholeCommand: also what the command has started.
func TestSignalsReachTheWholeCommand(t *testing.T) {
	dir := temporary(t)
	setURLs(t, "a", "b", "c")
	started := filepath.Join(dir, "started")
	signals, code := make(chan os.Signal, 1), make(chan int, 1)
	go func() {
		code <- run([]string{"sh", "-c", "sleep 300 & echo $! > " + started + ".tmp && mv " + started + ".tmp " + started + "; wait"}, signals, new(bytes.Buffer), bare)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := await(ctx, nil, func(context.Context) error { _, err := os.Stat(started); return err }); err != nil {
		t.Fatal(err)
	}
	signals <- syscall.SIGTERM
	if got := <-code; got != 128+15 {
		t.Errorf("exit code %d", got)
	}
	pid, err := os.ReadFile(started)
	if err != nil {
		t.Fatal(err)
	}
	err = await(ctx, nil, func(context.Context) error {
		// A process that has ended but that nobody has waited for still has an entry, with no command line.
		line, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline")
		if err == nil && len(line) > 0 {
			return errors.New("the command's child still runs")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLocalServers starts all servers from this machine's binaries and finds nothing left of them afterwards.
func TestLocalServers(t *testing.T) {
	m := local()
	s := &stack{machine: machine{lookPath: m.lookPath, postgresBinaries: m.postgresBinaries}} // without root: nothing is installed
	_, errPostgres := s.postgresBin(t.Context())
	_, errRedis := s.redisServer(t.Context())
	if err := errors.Join(errPostgres, errRedis); err != nil {
		t.Skip("skipped: this machine lacks a server's binaries:", err)
	}
	dir := temporary(t)
	setURLs(t, "", "", "")
	t.Setenv("CI", "true")
	found := filepath.Join(t.TempDir(), "urls")
	var out bytes.Buffer
	code := run([]string{"sh", "-c", `printf '%s\n' "$TEST_DATABASE_URL" "$TEST_REDIS_URL" "$TEST_REDIS_CLUSTER_URL" > ` + found + `; exit 9`}, nil, &out, m)
	if code != 9 {
		t.Fatalf("exit code %d:\n%s", code, &out)
	}
	urls, err := os.ReadFile(found)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(urls)), "\n")
	if len(lines) != 3 || strings.Count(lines[2], ",") != 2 {
		t.Fatalf("got %q", lines)
	}
	_, host, _ := strings.Cut(lines[0], "@")
	host, _, _ = strings.Cut(host, "/")
	for _, addr := range append(strings.Split(strings.TrimPrefix(lines[2], "redis://"), ","), strings.TrimPrefix(lines[1], "redis://"), host) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			t.Errorf("somebody still listens at %s", addr)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files are left in %s", len(left), dir)
	}
}

func TestASignalDuringTheStart(t *testing.T) {
	dir := temporary(t)
	setURLs(t, "a", "", "c")
	never := filepath.Join(t.TempDir(), "redis-server") // starts, and never is a server
	if err := os.WriteFile(never, []byte("#!/bin/sh\nexec sleep 300\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGINT
	waits := machine{lookPath: func(name string) (string, error) {
		if name == "redis-server" {
			return never, nil
		}
		return "", exec.ErrNotFound
	}}
	if code := run([]string{"true"}, signals, new(bytes.Buffer), waits); code != 128+2 {
		t.Errorf("exit code %d", code)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files are left in %s", len(left), dir)
	}
}

func TestTheNewestPostgresIsTaken(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"9.6", "15", "8", "100"} {
		bin := filepath.Join(dir, v, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"initdb", "postgres"} {
			if v == "100" && name == "postgres" {
				continue // a client's package alone
			}
			if err := os.WriteFile(filepath.Join(bin, name), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := &stack{machine: machine{lookPath: bare.lookPath, postgresBinaries: filepath.Join(dir, "*", "bin")}}
	if got, err := s.postgresBin(t.Context()); err != nil || got != filepath.Join(dir, "15", "bin") {
		t.Errorf("got %s, %v", got, err)
	}
}
