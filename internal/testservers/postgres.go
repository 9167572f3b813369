//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// postgresSettings trade safety, which nobody needs here, for speed. No Unix socket: its path may not be longer than 107
// bytes, which a temporary directory can be.
func postgresSettings() []string {
	return []string{"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200"}
}

func (s *stack) localPostgres(ctx context.Context) (url, what string, err error) {
	bin, err := s.postgresBin(ctx)
	if err != nil {
		return "", "", err
	}
	as, err := s.postgresUser()
	if err != nil {
		return "", "", err
	}
	dir, err := s.subdir("postgres")
	if err != nil {
		return "", "", err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return "", "", err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-locale", "--encoding", "UTF8", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("initdb: %w\n%s", err, out)
	}

	err = again(func() error {
		ports, err := freePorts(1)
		if err != nil {
			return err
		}
		args := append(postgresSettings(), "-D", data, "-p", strconv.Itoa(ports[0]), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
		// SIGQUIT is Postgres's immediate shutdown: it drops all sessions.
		p, err := s.spawn(dir, as, syscall.SIGQUIT, filepath.Join(bin, "postgres"), args...)
		if err != nil {
			return err
		}
		url = postgresURL("127.0.0.1:" + strconv.Itoa(ports[0]))
		if err := await(ctx, p.died, pingPostgres(url)); err != nil {
			return p.explain(err)
		}
		return nil
	})
	return url, "local Postgres from " + bin, err
}

func postgresURL(addr string) string {
	return "postgres://postgres@" + addr + "/postgres?sslmode=disable"
}

func pingPostgres(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return conn.Ping(ctx)
	}
}

// postgresBin is the directory of the server's binaries: that in PATH, or the newest that is installed.
func (s *stack) postgresBin(ctx context.Context) (string, error) {
	find := func() string {
		dirs, _ := filepath.Glob(s.postgresBinaries)
		slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
		if path, err := s.lookPath("initdb"); err == nil {
			dirs = slices.Insert(dirs, 0, filepath.Dir(path))
		}
		for _, dir := range dirs {
			if executable(dir, "initdb") && executable(dir, "postgres") {
				return dir
			}
		}
		return ""
	}
	if dir := find(); dir != "" {
		return dir, nil
	}
	if err := s.install(ctx); err != nil {
		return "", fmt.Errorf("there is no docker and no Postgres server here, and %w", err)
	}
	if dir := find(); dir != "" {
		return dir, nil
	}
	return "", errors.New("there is no Postgres server here, although its package is installed")
}

// version is the 15 of /usr/lib/postgresql/15/bin.
func version(dir string) int {
	n, _ := strconv.Atoi(strings.SplitN(filepath.Base(filepath.Dir(dir)), ".", 2)[0])
	return n
}

func executable(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// postgresUser is whom the server runs as: ourselves, unless we are root, as whom it refuses to run.
func (s *stack) postgresUser() (*syscall.Credential, error) {
	if !s.root {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("there is neither a user postgres nor a user nobody, and as root Postgres does not run")
}
