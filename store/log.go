package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/audit"
)

const (
	// pruneSegments is how many segments one transaction deletes, so that pruning a month does not keep writers waiting.
	pruneSegments = 100
	// moveActions is how many audit entries one segment takes.
	moveActions = 1000
	// livesFor is how long after its last sign of life a replica is waited for: three beats.
	livesFor = 15 * time.Second
	// forgottenAfter is how long it stays in the table.
	forgottenAfter = time.Hour
)

// Ship stores a segment, see [audit.Store].
func (s *Store) Ship(ctx context.Context, seg audit.Segment) error {
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error { return s.insertSegment(ctx, tx, seg) })
	return s.fault(ctx, "ship a log segment", err)
}

// insertSegment gives the segment its number under a lock: numbers are given before the commit, and were two writers to
// commit in the other order, a reader who had seen the later one would never see the earlier one.
func (s *Store) insertSegment(ctx context.Context, tx bun.Tx, seg audit.Segment) error {
	if err := s.lock(ctx, tx, lockLog); err != nil {
		return err
	}
	return s.insert(ctx, tx, "ops.log_segments", batch{
		{"name", []string{seg.Name}},
		{"replica", []string{seg.Replica}},
		{"from_ts", []int64{seg.From.UnixMilli()}}, // rounded outwards: see holds in package audit
		{"to_ts", []int64{ceilMilli(seg.To)}},
		{"lines", []int64{int64(seg.Lines)}},
		{"bytes", []int64{seg.Bytes}},
		{"data", [][]byte{seg.Data}},
	}, "ON CONFLICT (name) DO NOTHING")
}

// Segments are headers of segments, see [audit.Store].
func (s *Store) Segments(ctx context.Context, r audit.Range, limit int) ([]audit.Segment, error) {
	where := []string{fmt.Sprintf("seq > %d", r.After)}
	bound := func(format string, value int64, set bool) {
		if set {
			where = append(where, fmt.Sprintf(format, value))
		}
	}
	bound("seq <= %d", r.UpTo, r.UpTo > 0)
	bound("to_ts >= %d", r.From.UnixMilli(), !r.From.IsZero())
	bound("from_ts < %d", ceilMilli(r.To), !r.To.IsZero())
	var segments []audit.Segment
	err := s.each(ctx, fmt.Sprintf("SELECT seq, name, replica, from_ts, to_ts, lines, bytes FROM ops.log_segments WHERE %s ORDER BY seq LIMIT %d",
		strings.Join(where, " AND "), limit), nil, func(row scanner) error {
		var seg audit.Segment
		var from, to int64
		if err := row.Scan(&seg.Seq, &seg.Name, &seg.Replica, &from, &to, &seg.Lines, &seg.Bytes); err != nil {
			return err
		}
		seg.From, seg.To = instant(from), instant(to)
		segments = append(segments, seg)
		return nil
	})
	return segments, s.fault(ctx, "list log segments", err)
}

// LastSegment is the greatest number, see [audit.Store].
func (s *Store) LastSegment(ctx context.Context) (int64, error) {
	seq, err := s.number(ctx, "SELECT coalesce(max(seq), 0) FROM ops.log_segments")
	return seq, s.fault(ctx, "find the last log segment", err)
}

// SegmentData is a segment's data, see [audit.Store].
func (s *Store) SegmentData(ctx context.Context, seq int64) ([]byte, error) {
	var data []byte
	err := s.each(ctx, fmt.Sprintf("SELECT data FROM ops.log_segments WHERE seq = %d", seq), nil, func(row scanner) error {
		return row.Scan(&data)
	})
	return data, s.fault(ctx, "read a log segment", err)
}

// PruneSegments deletes old segments, see [audit.Store], and forgets replicas that are long gone. When it fails part of
// them may be gone.
func (s *Store) PruneSegments(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		result, err := s.writes().ExecContext(ctx, s.named(
			"DELETE FROM ops.log_segments WHERE seq IN (SELECT seq FROM ops.log_segments WHERE to_ts < ? ORDER BY to_ts LIMIT ?)"), ceilMilli(before), pruneSegments)
		if err != nil {
			return total, s.fault(ctx, "prune the log", err)
		}
		n, err := result.RowsAffected()
		total += int(n)
		if err != nil {
			return total, s.fault(ctx, "prune the log", err)
		}
		if n < pruneSegments {
			break
		}
	}
	_, err := s.writes().ExecContext(ctx, s.named("DELETE FROM ops.replicas WHERE seen_at < "+s.clock()+" - ?"), forgottenAfter.Milliseconds())
	return total, s.fault(ctx, "forget replicas", err)
}

// record writes an audit entry in the transaction of what it tells. Whatever an admin does to the database calls it.
func (s *Store) record(ctx context.Context, tx bun.Tx, a audit.Action) error {
	now := time.Now()
	return s.insert(ctx, tx, "ops.audit", batch{
		{"time", []int64{now.UnixMilli()}},
		{"line", []string{string(a.Line(ctx, now, s.replica))}},
	}, "")
}

// ShipActions moves audit entries into a segment, see [audit.Store].
func (s *Store) ShipActions(ctx context.Context) error {
	for {
		waiting, err := s.number(ctx, "SELECT count(*) FROM ops.audit")
		if err == nil && waiting > 0 {
			err = s.write(ctx, s.moveActions)
		}
		if err != nil || waiting <= moveActions {
			return s.fault(ctx, "ship audit entries", err)
		}
	}
}

func (s *Store) moveActions(ctx context.Context, tx bun.Tx) error {
	if err := s.lock(ctx, tx, lockLog); err != nil {
		return err
	}
	var moved []struct {
		ID   int64
		Line string
	}
	err := tx.NewRaw(s.named("DELETE FROM ops.audit WHERE id IN (SELECT id FROM ops.audit ORDER BY id LIMIT ?) RETURNING id, line"), moveActions).Scan(ctx, &moved)
	if err != nil || len(moved) == 0 {
		return err
	}
	lines := make([][]byte, len(moved))
	slices.SortFunc(moved, func(a, b struct {
		ID   int64
		Line string
	},
	) int {
		return cmp.Compare(a.ID, b.ID)
	})
	for i, m := range moved {
		lines[i] = []byte(m.Line)
	}
	seg, err := audit.NewSegment(fmt.Sprintf("audit/%d", moved[0].ID), s.replica, lines)
	if err != nil {
		return err
	}
	return s.insertSegment(ctx, tx, seg)
}

// RequestFlush asks all replicas for their segments, see [audit.Store].
func (s *Store) RequestFlush(ctx context.Context, a *audit.Action) (ticket int64, err error) {
	err = s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		if a != nil {
			if err := s.record(ctx, tx, *a); err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, s.named(`
			INSERT INTO ops.log_state AS t (one, flush, signing_key) VALUES (1, 1, ?)
			ON CONFLICT (one) DO UPDATE SET flush = t.flush + 1 RETURNING flush`), newSigningKey()).Scan(&ticket)
	})
	return ticket, s.fault(ctx, "request log segments", err)
}

// Ticket is the newest ticket, see [audit.Store].
func (s *Store) Ticket(ctx context.Context) (int64, error) {
	ticket, err := s.number(ctx, "SELECT coalesce(max(flush), 0) FROM ops.log_state")
	return ticket, s.fault(ctx, "look for requests of log segments", err)
}

// Beat says that a replica lives, see [audit.Store].
func (s *Store) Beat(ctx context.Context, replica string, flushed int64) (int64, error) {
	_, err := s.writes().ExecContext(ctx, s.named(`
		INSERT INTO ops.replicas AS t (name, seen_at, flushed) VALUES (?, `+s.clock()+`, ?)
		ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at,
			flushed = CASE WHEN excluded.flushed > t.flushed THEN excluded.flushed ELSE t.flushed END`), replica, flushed)
	if err != nil {
		return 0, s.fault(ctx, "say that a replica lives", err)
	}
	return s.Ticket(ctx)
}

// Laggards are replicas that have not shipped, see [audit.Store].
func (s *Store) Laggards(ctx context.Context, ticket int64) ([]string, error) {
	var names []string
	err := s.each(ctx, fmt.Sprintf("SELECT name FROM ops.replicas WHERE flushed < %d AND seen_at > %s - %d ORDER BY name",
		ticket, s.clock(), livesFor.Milliseconds()), nil, func(row scanner) error {
		var name string
		err := row.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, s.fault(ctx, "look for replicas", err)
}

// Leave says that a replica is gone, see [audit.Store].
func (s *Store) Leave(ctx context.Context, replica string) error {
	_, err := s.writes().ExecContext(ctx, s.named("DELETE FROM ops.replicas WHERE name = ?"), replica)
	return s.fault(ctx, "say that a replica is gone", err)
}

// SigningKey is the key of download links, see [audit.Store].
func (s *Store) SigningKey(ctx context.Context) ([]byte, error) {
	_, err := s.writes().ExecContext(ctx, s.named(
		"INSERT INTO ops.log_state (one, flush, signing_key) VALUES (1, 0, ?) ON CONFLICT (one) DO NOTHING"), newSigningKey())
	var text string
	if err == nil {
		err = s.reads().QueryRowContext(ctx, s.named("SELECT signing_key FROM ops.log_state")).Scan(&text)
	}
	if err != nil {
		return nil, s.fault(ctx, "read the signing key", err)
	}
	return hex.DecodeString(text)
}

// newSigningKey is 32 random bytes in hex.
func newSigningKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return hex.EncodeToString(key)
}

// number is a result of one integer.
func (s *Store) number(ctx context.Context, query string) (n int64, err error) {
	err = s.each(ctx, query, nil, func(row scanner) error { return row.Scan(&n) })
	return n, err
}

// ceilMilli is the first stored instant that is not before t.
func ceilMilli(t time.Time) int64 {
	return t.Add(time.Millisecond - 1).UnixMilli()
}
