package store

import (
	"database/sql"
	"time"
)

// Pool is how a pool of connections stands, for metrics.
type Pool struct {
	Name                   string // "postgres", or "sqlite_read" and "sqlite_write"
	Max, Open, InUse, Idle int
	Waits                  int64 // how often somebody had to wait for a connection, since the start
	Waited                 time.Duration
}

// Pools are the pools of connections.
func (s *Store) Pools() []Pool { return s.pools() }

func (p *postgres) pools() []Pool {
	st := p.pool.Stat()
	return []Pool{{
		Name: "postgres", Max: int(st.MaxConns()), Open: int(st.TotalConns()), InUse: int(st.AcquiredConns()), Idle: int(st.IdleConns()),
		Waits: st.EmptyAcquireCount(), Waited: st.EmptyAcquireWaitTime(),
	}}
}

func (s *sqlite) pools() []Pool {
	return []Pool{poolOf("sqlite_read", s.reader.Stats()), poolOf("sqlite_write", s.writer.Stats())}
}

func poolOf(name string, st sql.DBStats) Pool {
	return Pool{
		Name: name, Max: st.MaxOpenConnections, Open: st.OpenConnections, InUse: st.InUse, Idle: st.Idle,
		Waits: st.WaitCount, Waited: st.WaitDuration,
	}
}
