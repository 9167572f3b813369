//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// machine is what this program uses of the machine that it runs on.
type machine struct {
	lookPath         func(string) (string, error)
	postgresBinaries string // a pattern: Debian has them outside PATH, one directory a version
	root             bool
}

func thisMachine() machine {
	return machine{lookPath: exec.LookPath, postgresBinaries: "/usr/lib/postgresql/*/bin", root: os.Geteuid() == 0}
}

// stack is the servers that were started, and how to be rid of them.
type stack struct {
	machine
	out      io.Writer
	dir      string
	cleanups []func()
	env      []string
	packages bool // apt-get was tried
}

func newStack(out io.Writer, m machine) (*stack, error) {
	dir, err := os.MkdirTemp("", "testservers-")
	if err != nil {
		return nil, err
	}
	// Postgres runs as another user than root, and has to pass through.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	return &stack{machine: m, out: out, dir: dir, env: os.Environ(), cleanups: []func(){func() { _ = os.RemoveAll(dir) }}}, nil
}

// close stops everything, last started first.
func (s *stack) close() {
	for _, cleanup := range slices.Backward(s.cleanups) {
		cleanup()
	}
}

func (s *stack) onClose(cleanup func()) { s.cleanups = append(s.cleanups, cleanup) }

func (s *stack) environ() []string { return s.env }

func (s *stack) say(format string, args ...any) { say(s.out, format, args...) }

// start sees to all variables. It fails only when something is missing that must not be.
func (s *stack) start(ctx context.Context) error {
	var docker *docker
	var missing []error
	for _, want := range []struct {
		variable      string
		docker, local func(context.Context) (url, what string, err error)
	}{
		{"TEST_DATABASE_URL", func(ctx context.Context) (string, string, error) { return docker.postgres(ctx) }, s.localPostgres},
		{"TEST_REDIS_URL", func(ctx context.Context) (string, string, error) { return docker.redis(ctx) }, s.localRedis},
		{"TEST_REDIS_CLUSTER_URL", func(ctx context.Context) (string, string, error) { return docker.cluster(ctx) }, s.localCluster},
	} {
		if os.Getenv(want.variable) != "" {
			s.say("%s: as given", want.variable)
			continue
		}
		if docker == nil {
			docker = s.findDocker(ctx)
		}
		var url, what string
		err := errNoDocker
		if docker.there {
			if url, what, err = want.docker(ctx); err != nil {
				s.say("%s: docker: %v", want.variable, err)
			}
		}
		if err != nil {
			url, what, err = want.local(ctx)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the servers did not start in time: %w", err)
		}
		if err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", want.variable, err))
			continue
		}
		s.say("%s: %s, %s", want.variable, what, url)
		s.env = append(s.env, want.variable+"="+url)
	}
	if len(missing) > 0 && inCI() {
		return errors.Join(missing...)
	}
	for _, err := range missing {
		s.say("MISSING %v; tests that want it will skip", err)
	}
	return nil
}

// subdir makes a directory for a server.
func (s *stack) subdir(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// await calls ready until it gives no error, the context ends or the server has died.
func await(ctx context.Context, died <-chan struct{}, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		try, cancelTry := context.WithTimeout(ctx, 2*time.Second)
		err := ready(try)
		cancelTry()
		if err == nil {
			return nil
		}
		select {
		case <-died:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
