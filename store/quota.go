package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// ChangeQuota changes what is kept of a provider's quota, see [quota.Store].
func (s *Store) ChangeQuota(ctx context.Context, provider string, change func(now time.Time, stored []byte) ([]byte, error)) error {
	var own error
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.lock(ctx, tx, lockQuota); err != nil {
			return err
		}
		var now int64
		var stored sql.NullString
		row := tx.QueryRowContext(ctx, s.named("SELECT "+s.clock()+", (SELECT state FROM ops.upstream_quota WHERE provider = ?)"), provider)
		if err := row.Scan(&now, &stored); err != nil {
			return err
		}
		var before []byte
		if stored.Valid {
			before = []byte(stored.String)
		}
		after, err := change(instant(now), before)
		if own = err; err != nil || after == nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.named(`
			INSERT INTO ops.upstream_quota (provider, state) VALUES (?, ?)
			ON CONFLICT (provider) DO UPDATE SET state = excluded.state`), provider, string(after))
		return err
	})
	if own != nil && errors.Is(err, own) {
		return own
	}
	return s.fault(ctx, "change quota", err)
}
