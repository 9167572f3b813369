package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// redisServer tells what a Redis has spent.
type redisServer struct{ client *redis.Client }

func openRedisServer(redisURL string) (*redisServer, error) {
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		return nil, err
	}
	return &redisServer{redis.NewClient(o)}, nil
}

func (s *redisServer) close() { _ = s.client.Close() }

// spent is the CPU time of all threads of the server, and how many commands it has run, those of scripts too.
func (s *redisServer) spent(ctx context.Context) (cpu time.Duration, commands int64, err error) {
	// INFO of several sections in one call is younger than some servers.
	text, err := s.client.Info(ctx, "cpu").Result()
	if err != nil {
		return 0, 0, err
	}
	for _, field := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := infoField(text, field)
		if err != nil {
			return 0, 0, err
		}
		cpu += time.Duration(seconds * float64(time.Second))
	}
	if text, err = s.client.Info(ctx, "stats").Result(); err != nil {
		return 0, 0, err
	}
	n, err := infoField(text, "total_commands_processed")
	return cpu, int64(n), err
}

// infoField is a number of what INFO says.
func infoField(info, field string) (float64, error) {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("INFO of Redis has no %s", field)
}

// postgresServer tells what a Postgres on this machine has spent, and fills its tables.
type postgresServer struct {
	conn       *pgx.Conn
	postmaster int // process id; 0: it runs elsewhere
}

func openPostgresServer(ctx context.Context, databaseURL string) (*postgresServer, error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	s := &postgresServer{conn: conn}
	var backend int
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		s.close()
		return nil, err
	}
	// In a container, the number is that of a process of its own world.
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", backend))
	if err == nil && strings.HasPrefix(string(name), "postgres") {
		if stat, err := statOf(backend); err == nil {
			s.postmaster = stat.parent
		}
	}
	return s, nil
}

func (s *postgresServer) close() { _ = s.conn.Close(context.Background()) }

// spent is the CPU time of the processes of the server that serve clients, those that ended too; 0 if it is not on this
// machine. What writes and cleans in the background is left out: it still works on what was filled in.
func (s *postgresServer) spent(ctx context.Context) (time.Duration, error) {
	if s.postmaster == 0 {
		return 0, nil
	}
	rows, err := s.conn.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE backend_type NOT IN ('client backend', 'parallel worker')")
	if err != nil {
		return 0, err
	}
	background, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return 0, err
	}
	main, err := statOf(s.postmaster)
	if err != nil {
		return 0, err
	}
	cpu := main.own + main.ended
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || slices.Contains(background, pid) {
			continue
		}
		if stat, err := statOf(pid); err == nil && stat.parent == s.postmaster { // one that is gone is among the ended
			cpu += stat.own
		}
	}
	return cpu, nil
}
