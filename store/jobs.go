package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/jobs"
)

// jobRow is a row of ops.job_runs.
type jobRow struct {
	ID              int64
	Kind            string
	Args            string
	Asked           string
	RequestKey      sql.NullString
	ScheduledFor    sql.NullInt64
	SubmittedBy     string
	State           string
	CancelRequested int
	Attempts        int
	Replica         string
	Planned         int
	Done            int
	Failed          int
	NotOffered      int
	Calls           int
	Points          int
	Revised         int
	Problems        string
	CreatedAt       int64
	StartedAt       sql.NullInt64
	FinishedAt      sql.NullInt64
}

func (r *jobRow) run() (jobs.Run, error) {
	run := jobs.Run{
		Number: r.ID, Kind: jobs.Kind(r.Kind), Key: r.RequestKey.String, ScheduledFor: orNil(r.ScheduledFor), By: r.SubmittedBy,
		State: jobs.State(r.State), CancelRequested: r.CancelRequested != 0, Attempts: r.Attempts, Replica: r.Replica,
		Progress: jobs.Progress{
			Planned: r.Planned, Done: r.Done, Failed: r.Failed, NotOffered: r.NotOffered, Calls: r.Calls, Points: r.Points, Revised: r.Revised,
		},
		CreatedAt: instant(r.CreatedAt), StartedAt: orNil(r.StartedAt), FinishedAt: orNil(r.FinishedAt),
	}
	err := errors.Join(json.Unmarshal([]byte(r.Args), &run.Args), json.Unmarshal([]byte(r.Problems), &run.Problems))
	if err != nil {
		return jobs.Run{}, fmt.Errorf("run %d: %w", r.ID, err)
	}
	return run, nil
}

func orNil(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	t := instant(ms.Int64)
	return &t
}

// selectRun reads the first row of runs that a clause chooses; false: there is none.
func (s *Store) selectRun(ctx context.Context, db bun.IDB, clause string, args ...any) (jobs.Run, string, bool, error) {
	var row jobRow
	err := db.NewRaw(s.named("SELECT * FROM ops.job_runs "+clause), args...).Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return jobs.Run{}, "", false, nil
	}
	if err != nil {
		return jobs.Run{}, "", false, err
	}
	run, err := row.run()
	return run, row.Asked, err == nil, err
}

// SubmitRun adds a run, see [jobs.Store].
func (s *Store) SubmitRun(ctx context.Context, r jobs.Run) (run jobs.Run, added bool, err error) {
	text, err := json.Marshal(r.Args)
	if err != nil {
		return jobs.Run{}, false, fmt.Errorf("store: submit run: %w", err)
	}
	asked := string(text)
	err = s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.lock(ctx, tx, lockJobs); err != nil {
			return err
		}
		var old jobs.Run
		var oldAsked string
		var found bool
		var err error
		switch {
		case r.ScheduledFor != nil:
			_, _, found, err = s.selectRun(ctx, tx, "WHERE kind = ? AND scheduled_for >= ? LIMIT 1", string(r.Kind), r.ScheduledFor.UnixMilli())
		case r.Key != "":
			old, oldAsked, found, err = s.selectRun(ctx, tx, "WHERE request_key = ?", r.Key)
			if found && (old.Kind != r.Kind || oldAsked != asked) {
				err = jobs.ErrKeyTaken
			}
		default:
			old, _, found, err = s.selectRun(ctx, tx, "WHERE kind = ? AND asked = ? AND finished_at IS NULL ORDER BY id LIMIT 1", string(r.Kind), asked)
		}
		if err != nil || found {
			run = old
			return err
		}
		var id int64
		err = tx.NewRaw(s.named(`
			INSERT INTO ops.job_runs (kind, args, asked, request_key, scheduled_for, submitted_by, state, cancel_requested, attempts, replica,
				planned, done, failed, not_offered, calls, points, revised, problems, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, '', 0, 0, 0, 0, 0, 0, 0, '[]', `+s.clock()+`) RETURNING id`),
			string(r.Kind), asked, asked, orNullText(r.Key), orNullTime(r.ScheduledFor), printable(r.By), string(jobs.Queued)).Scan(ctx, &id)
		if err != nil {
			return err
		}
		added = true
		if run, _, _, err = s.selectRun(ctx, tx, "WHERE id = ?", id); err != nil || r.ScheduledFor != nil {
			return err // a scheduled one is nobody's action
		}
		return s.record(ctx, tx, jobAction("job.submit", "a job was submitted", run))
	})
	if err != nil {
		return jobs.Run{}, false, s.fault(ctx, "submit run", err)
	}
	return run, added, nil
}

func jobAction(event, message string, r jobs.Run) audit.Action {
	return audit.Action{
		Event: event, Message: message, Target: strconv.FormatInt(r.Number, 10),
		Details: []slog.Attr{slog.String("job", string(r.Kind)), slog.String("state", string(r.State))},
	}
}

func orNullText(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func orNullTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMilli()
}

// BeginRun gives a run to the holder of a lease, see [jobs.Store].
func (s *Store) BeginRun(ctx context.Context, l jobs.Lease, kind jobs.Kind) (run jobs.Run, found bool, err error) {
	err = s.Fenced(l).write(ctx, func(ctx context.Context, tx bun.Tx) error {
		var err error
		run, _, found, err = s.selectRun(ctx, tx, "WHERE kind = ? AND finished_at IS NULL ORDER BY id LIMIT 1", string(kind))
		if err != nil || !found {
			return err
		}
		_, err = tx.ExecContext(ctx, s.named(`
			UPDATE ops.job_runs SET state = ?, attempts = attempts + 1, replica = ?, started_at = coalesce(started_at, `+s.clock()+`)
			WHERE id = ?`), string(jobs.Running), printable(l.Holder), run.Number)
		if err != nil {
			return err
		}
		run, _, _, err = s.selectRun(ctx, tx, "WHERE id = ?", run.Number)
		return err
	})
	if err != nil {
		return jobs.Run{}, false, s.fault(ctx, "begin run", err)
	}
	return run, found, nil
}

// SaveRun stores how far a run is, see [jobs.Store].
func (s *Store) SaveRun(ctx context.Context, l jobs.Lease, r jobs.Run) (cancelRequested bool, err error) {
	args, err := json.Marshal(r.Args)
	if err != nil {
		return false, fmt.Errorf("store: save run: %w", err)
	}
	problems := []byte("[]")
	if len(r.Problems) > 0 {
		if problems, err = json.Marshal(r.Problems); err != nil {
			return false, fmt.Errorf("store: save run: %w", err)
		}
	}
	finished := "finished_at"
	if r.State.Finished() {
		finished = s.clock()
	}
	err = s.Fenced(l).write(ctx, func(ctx context.Context, tx bun.Tx) error {
		return tx.NewRaw(s.named(`
			UPDATE ops.job_runs SET state = ?, args = ?, planned = ?, done = ?, failed = ?, not_offered = ?, calls = ?, points = ?, revised = ?,
				problems = ?, finished_at = `+finished+`
			WHERE id = ? RETURNING cancel_requested <> 0`),
			string(r.State), printable(string(args)), r.Planned, r.Done, r.Failed, r.NotOffered, r.Calls, r.Points, r.Revised,
			printable(string(problems)), r.Number).Scan(ctx, &cancelRequested)
	})
	return cancelRequested, s.fault(ctx, "save run", err)
}

// CancelRun requests a run's cancellation, see [jobs.Store].
func (s *Store) CancelRun(ctx context.Context, number int64) (run jobs.Run, found bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		// The state that decides is that under the row's lock.
		_, err := tx.ExecContext(ctx, s.named(`
			UPDATE ops.job_runs SET cancel_requested = 1,
				finished_at = CASE WHEN state = ? THEN `+s.clock()+` END, state = CASE WHEN state = ? THEN ? ELSE state END
			WHERE id = ? AND finished_at IS NULL`), string(jobs.Queued), string(jobs.Queued), string(jobs.Cancelled), number)
		if err != nil {
			return err
		}
		run, _, found, err = s.selectRun(ctx, tx, "WHERE id = ?", number)
		if err != nil || !found {
			return err
		}
		return s.record(ctx, tx, jobAction("job.cancel", "a job's cancellation was asked for", run))
	})
	if err != nil {
		return jobs.Run{}, false, s.fault(ctx, "cancel run", err)
	}
	return run, found, nil
}

// Run is a run, see [jobs.Store].
func (s *Store) Run(ctx context.Context, number int64) (jobs.Run, bool, error) {
	run, _, found, err := s.selectRun(ctx, s.reads(), "WHERE id = ?", number)
	return run, found, s.fault(ctx, "read run", err)
}

// Runs are the newest runs, see [jobs.Store].
func (s *Store) Runs(ctx context.Context, before int64, limit int) ([]jobs.Run, error) {
	var rows []jobRow
	q := s.reads().NewSelect().TableExpr(s.named("ops.job_runs")).Column("*").Order("id DESC").Limit(int64(limit))
	if before > 0 {
		q = q.Where("id < ?", before)
	}
	if err := q.Scan(ctx, &rows); err != nil {
		return nil, s.fault(ctx, "list runs", err)
	}
	runs := make([]jobs.Run, len(rows))
	for i := range rows {
		var err error
		if runs[i], err = rows[i].run(); err != nil {
			return nil, s.fault(ctx, "list runs", err)
		}
	}
	return runs, nil
}

// CountRuns is how many runs there are, see [jobs.Store].
func (s *Store) CountRuns(ctx context.Context) (int, error) {
	n, err := s.reads().NewSelect().TableExpr(s.named("ops.job_runs")).Count(ctx)
	return int(n), s.fault(ctx, "count runs", err)
}

// HasWork tells whether there is a run to work on, see [jobs.Store].
func (s *Store) HasWork(ctx context.Context, kind jobs.Kind) (bool, error) {
	found, err := s.reads().NewSelect().TableExpr(s.named("ops.job_runs")).Where("kind = ? AND finished_at IS NULL", string(kind)).Exists(ctx)
	return found, s.fault(ctx, "look for runs", err)
}

// PruneRuns deletes old runs, see [jobs.Store]. The newest scheduled run of a kind stays: it says what is made up for.
func (s *Store) PruneRuns(ctx context.Context, before time.Time) error {
	_, err := s.writes().ExecContext(ctx, s.named(`
		DELETE FROM ops.job_runs WHERE finished_at < ?
			AND id NOT IN (SELECT max(id) FROM ops.job_runs WHERE scheduled_for IS NOT NULL GROUP BY kind)`), before.UnixMilli())
	return s.fault(ctx, "prune runs", err)
}

// ScheduledSince is since when there has been a scheduler, see [jobs.Store].
func (s *Store) ScheduledSince(ctx context.Context, name string, now time.Time) (time.Time, error) {
	var since int64
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.ExecContext(ctx, s.named("INSERT INTO ops.schedules (name, since_at) VALUES (?, ?) ON CONFLICT DO NOTHING"), name, now.UnixMilli())
		if err != nil {
			return err
		}
		return tx.NewRaw(s.named("SELECT since_at FROM ops.schedules WHERE name = ?"), name).Scan(ctx, &since)
	})
	return instant(since), s.fault(ctx, "read schedule", err)
}
