package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/jobs"
)

// AcquireLease takes a lease, see [jobs.Store].
func (s *Store) AcquireLease(ctx context.Context, name, holder string, lasts time.Duration) (jobs.Lease, bool, error) {
	l := jobs.Lease{Name: name, Holder: holder}
	// Looked at first: an attempt to take it waits for those who write under it, and has them wait.
	var held bool
	err := s.writes().NewRaw(s.named("SELECT count(*) > 0 FROM ops.leases WHERE name = ? AND expires_at > "+s.clock()), name).Scan(ctx, &held)
	if err != nil || held {
		return jobs.Lease{}, false, s.fault(ctx, "acquire lease", err)
	}
	err = s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		// Of two that make the row at once, Postgres would have one fail on the key with the epoch, which is in no ON CONFLICT.
		if err := s.lock(ctx, tx, lockJobs); err != nil {
			return err
		}
		return tx.NewRaw(s.named(`
			INSERT INTO ops.leases AS t (name, epoch, holder, expires_at) VALUES (?, 1, ?, `+s.clock()+` + ?)
			ON CONFLICT (name) DO UPDATE SET epoch = t.epoch + 1, holder = excluded.holder, expires_at = excluded.expires_at
			WHERE t.expires_at <= `+s.clock()+`
			RETURNING epoch`), name, holder, lasts.Milliseconds()).Scan(ctx, &l.Epoch)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return jobs.Lease{}, false, nil
	}
	if err != nil {
		return jobs.Lease{}, false, s.fault(ctx, "acquire lease", err)
	}
	return l, true, nil
}

// RenewLease puts a lease's expiry off, see [jobs.Store].
func (s *Store) RenewLease(ctx context.Context, l jobs.Lease, lasts time.Duration) error {
	return s.expireLease(ctx, "renew lease", l, "holder = holder, expires_at = "+s.clock()+" + ?", lasts.Milliseconds())
}

// ReleaseLease ends a lease, see [jobs.Store].
func (s *Store) ReleaseLease(ctx context.Context, l jobs.Lease) error {
	err := s.expireLease(ctx, "release lease", l, "holder = '', expires_at = ?", 0)
	if errors.Is(err, jobs.ErrFenced) {
		return nil
	}
	return err
}

func (s *Store) expireLease(ctx context.Context, op string, l jobs.Lease, set string, value int64) error {
	result, err := s.writes().ExecContext(ctx, s.named("UPDATE ops.leases SET "+set+" WHERE name = ? AND epoch = ? AND holder = ?"),
		value, l.Name, l.Epoch, l.Holder)
	if err != nil {
		return s.fault(ctx, op, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return s.fault(ctx, op, errors.Join(err, jobs.ErrFenced))
	}
	return nil
}

// checkLease fails with jobs.ErrFenced unless the lease has its holder, and keeps it so until the transaction ends.
func (s *Store) checkLease(ctx context.Context, tx bun.Tx, l jobs.Lease) error {
	var one int
	err := tx.NewRaw(s.named("SELECT 1 FROM ops.leases WHERE name = ? AND epoch = ? AND holder = ?")+s.forKeyShare(), l.Name, l.Epoch, l.Holder).Scan(ctx, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return jobs.ErrFenced
	}
	return err
}
