package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/audit"
)

// logRow is a row of ops.log.
type logRow struct {
	ID            int64
	Time          int64
	Level         string
	Event         string
	RequestID     string
	Replica       string
	KeyID         string
	Method        string
	Route         string
	Operation     string
	Status        int
	Code          string
	DurationNS    int64 `bun:"duration_ns"`
	Cache         string
	UpstreamCalls int
	Bytes         int64
	Provider      string
	Message       string
}

func (r *logRow) entry() audit.Entry {
	return audit.Entry{
		ID: r.ID, Time: instant(r.Time), Level: audit.Level(r.Level), Event: r.Event, RequestID: r.RequestID, Replica: r.Replica,
		KeyID: r.KeyID, Method: r.Method, Route: r.Route, Operation: r.Operation, Status: r.Status, Code: r.Code,
		Duration: time.Duration(r.DurationNS), Cache: r.Cache, UpstreamCalls: r.UpstreamCalls, Bytes: r.Bytes,
		Provider: r.Provider, Message: r.Message,
	}
}

// Append stores the entries, see [audit.Store]. A text's NUL bytes and invalid UTF-8, which a client can cause, become
// U+FFFD: a line that is hard to read is worth more than one that is lost.
func (s *Store) Append(ctx context.Context, entries []audit.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	text := func(field func(*audit.Entry) string) func(*audit.Entry) string {
		return func(e *audit.Entry) string { return printable(field(e)) }
	}
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		// Ids are given before the commit. Were two writers to commit in the other order, a reader who had seen the
		// later ids would never see the earlier ones.
		if err := s.lock(ctx, tx, lockLog); err != nil {
			return err
		}
		for part := range slices.Chunk(entries, insertRows) {
			err := s.insert(ctx, tx, "ops.log", batch{
				{"time", of(part, func(e *audit.Entry) int64 { return e.Time.UnixMilli() })},
				{"level", of(part, text(func(e *audit.Entry) string { return string(e.Level) }))},
				{"event", of(part, text(func(e *audit.Entry) string { return e.Event }))},
				{"request_id", of(part, text(func(e *audit.Entry) string { return e.RequestID }))},
				{"replica", of(part, text(func(e *audit.Entry) string { return e.Replica }))},
				{"key_id", of(part, text(func(e *audit.Entry) string { return e.KeyID }))},
				{"method", of(part, text(func(e *audit.Entry) string { return e.Method }))},
				{"route", of(part, text(func(e *audit.Entry) string { return e.Route }))},
				{"operation", of(part, text(func(e *audit.Entry) string { return e.Operation }))},
				{"status", of(part, func(e *audit.Entry) int64 { return int64(e.Status) })},
				{"code", of(part, text(func(e *audit.Entry) string { return e.Code }))},
				{"duration_ns", of(part, func(e *audit.Entry) int64 { return int64(e.Duration) })},
				{"cache", of(part, text(func(e *audit.Entry) string { return e.Cache }))},
				{"upstream_calls", of(part, func(e *audit.Entry) int64 { return int64(e.UpstreamCalls) })},
				{"bytes", of(part, func(e *audit.Entry) int64 { return e.Bytes })},
				{"provider", of(part, text(func(e *audit.Entry) string { return e.Provider }))},
				{"message", of(part, text(func(e *audit.Entry) string { return e.Message }))},
			}, "")
			if err != nil {
				return err
			}
		}
		return nil
	})
	return s.fault(ctx, "append to log", err)
}

func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Page reads on in the log, see [audit.Store].
func (s *Store) Page(ctx context.Context, f audit.Filter, after int64, limit int) ([]audit.Entry, error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []logRow
	err := s.selectLog(f).Column("*").Where("id > ?", after).Order("id").Limit(int64(limit)).Scan(ctx, &rows)
	if err != nil {
		return nil, s.fault(ctx, "read log", err)
	}
	return of(rows, (*logRow).entry), nil
}

// Count is how many entries there are, see [audit.Store].
func (s *Store) Count(ctx context.Context, f audit.Filter) (int, error) {
	n, err := s.selectLog(f).Count(ctx)
	return int(n), s.fault(ctx, "count log", err)
}

// pruneRows is how many entries one transaction deletes, so that pruning a month does not keep writers waiting.
const pruneRows = 10_000

// Prune deletes old entries, see [audit.Store]. When it fails part of them may be gone.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		result, err := s.writes().ExecContext(ctx, s.named(
			"DELETE FROM ops.log WHERE id IN (SELECT id FROM ops.log WHERE time < ? ORDER BY time LIMIT ?)"), ceilMilli(before), pruneRows)
		if err != nil {
			return total, s.fault(ctx, "prune log", err)
		}
		n, err := result.RowsAffected()
		total += int(n)
		if err != nil || n < pruneRows {
			return total, s.fault(ctx, "prune log", err)
		}
	}
}

func (s *Store) selectLog(f audit.Filter) *bun.SelectQuery {
	q := s.reads().NewSelect().TableExpr(s.named("ops.log"))
	if !f.From.IsZero() {
		q = q.Where("time >= ?", ceilMilli(f.From))
	}
	if !f.To.IsZero() {
		q = q.Where("time < ?", ceilMilli(f.To))
	}
	for _, equal := range []struct{ column, value string }{
		{"level", string(f.Level)}, {"event", f.Event}, {"key_id", f.Key}, {"provider", f.Provider}, {"request_id", f.RequestID},
	} {
		if equal.value != "" {
			q = q.Where("? = ?", bun.Ident(equal.column), printable(equal.value))
		}
	}
	if f.Status != 0 {
		q = q.Where("status = ?", f.Status)
	}
	return q
}

// ceilMilli is the first stored instant that is not before t.
func ceilMilli(t time.Time) int64 {
	return t.Add(time.Millisecond - 1).UnixMilli()
}
