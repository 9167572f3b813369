package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
)

const keyColumns = "id, name, tier, hash, created_at, expires_at, last_used_at, revoked_at"

// insertKey inserts nothing where the name is taken. The index of names decides that, so it holds for whatever inserts at the
// same time: the later one waits for the earlier one's end. A second key with the same id or hash stays an error.
const insertKey = `
	INSERT INTO access.api_keys (` + keyColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING`

// InsertKey stores a new key, see [auth.KeyStore], and in the same transaction the audit entry that says so.
func (s *Store) InsertKey(ctx context.Context, key auth.StoredKey) error {
	if err := (batch{{"key", []string{key.ID, key.Name, key.Tier}}}).check(); err != nil {
		return s.fault(ctx, "insert key", err)
	}
	taken := false
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.ExecContext(ctx, s.named(insertKey), key.ID, key.Name, key.Tier, hex.EncodeToString(key.Hash[:]),
			key.CreatedAt.UnixMilli(), event(key.ExpiresAt), event(key.LastUsedAt), event(key.RevokedAt))
		if err != nil {
			return err
		}
		inserted, err := result.RowsAffected()
		if taken = inserted == 0; taken || err != nil {
			return err
		}
		return s.record(ctx, tx, audit.Action{Event: "key.create", Message: "an API key was created", Target: key.ID, Details: keyDetails(key)})
	})
	if err != nil {
		return s.fault(ctx, "insert key", err)
	}
	if taken {
		return auth.NameTaken()
	}
	return nil
}

// keyDetails are what an audit entry says of a key beside its id.
func keyDetails(key auth.StoredKey) []slog.Attr {
	return []slog.Attr{slog.String("name", key.Name), slog.String("tier", key.Tier)}
}

// Keys are all keys, see [auth.KeyStore].
func (s *Store) Keys(ctx context.Context) ([]auth.StoredKey, error) {
	var keys []auth.StoredKey
	err := s.each(ctx, "SELECT "+keyColumns+" FROM access.api_keys ORDER BY created_at, id", nil, func(row scanner) error {
		key, err := scanKey(row)
		keys = append(keys, key)
		return err
	})
	if err != nil {
		return nil, s.fault(ctx, "list keys", err)
	}
	return keys, nil
}

// KeyByHash is the key with the hash, see [auth.KeyStore].
func (s *Store) KeyByHash(ctx context.Context, hash [sha256.Size]byte) (key auth.StoredKey, found bool, err error) {
	err = s.each(ctx, "SELECT "+keyColumns+" FROM @rows CROSS JOIN access.api_keys WHERE hash = v.wanted",
		batch{{"wanted", []string{hex.EncodeToString(hash[:])}}}, oneKey(&key, &found))
	return key, found, s.fault(ctx, "find key", err)
}

// RevokeKey ends a key, see [auth.KeyStore], and in the same transaction writes the audit entry that says so.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) (key auth.StoredKey, found bool, err error) {
	if !storable(id) {
		return auth.StoredKey{}, false, nil
	}
	err = s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		key, err = scanKey(tx.QueryRowContext(ctx, s.named("SELECT "+keyColumns+" FROM access.api_keys WHERE id = ?"+s.forUpdate()), id))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if found = err == nil; err != nil || !key.RevokedAt.IsZero() {
			return err
		}
		key.RevokedAt = instant(at.UnixMilli())
		if _, err := tx.ExecContext(ctx, s.named("UPDATE access.api_keys SET revoked_at = ? WHERE id = ?"), at.UnixMilli(), id); err != nil {
			return err
		}
		return s.record(ctx, tx, audit.Action{Event: "key.revoke", Message: "an API key was revoked", Target: key.ID, Details: keyDetails(key)})
	})
	if err != nil {
		return auth.StoredKey{}, false, s.fault(ctx, "revoke key", err)
	}
	return key, found, nil
}

// TouchKeys notes when keys were used, see [auth.KeyStore].
func (s *Store) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(used)), func(id string) bool { return !storable(id) })
	if len(ids) == 0 {
		return nil
	}
	// An UPDATE locks its rows in the order of its plan. Locked by id first, two of them cannot wait for each other in a
	// circle.
	err := s.change(ctx, `
		UPDATE access.api_keys AS k SET last_used_at = u.at
		FROM (
			SELECT old.id, v.at
			FROM @rows CROSS JOIN access.api_keys AS old
			WHERE old.id = v.wanted AND (old.last_used_at IS NULL OR old.last_used_at < v.at)
			ORDER BY old.id`+s.forUpdate()+`
		) AS u
		WHERE k.id = u.id`,
		batch{{"wanted", ids}, {"at", of(ids, func(id *string) int64 { return used[*id].UnixMilli() })}},
		nil)
	return s.fault(ctx, "touch keys", err)
}

var errHash = errors.New("not a SHA-256 hash")

// scanKey reads keyColumns.
func scanKey(row scanner) (auth.StoredKey, error) {
	var key auth.StoredKey
	var hash string
	var createdAt int64
	var expiresAt, lastUsedAt, revokedAt *int64
	if err := row.Scan(&key.ID, &key.Name, &key.Tier, &hash, &createdAt, &expiresAt, &lastUsedAt, &revokedAt); err != nil {
		return auth.StoredKey{}, err
	}
	sum, err := hex.DecodeString(hash)
	if err != nil || len(sum) != len(key.Hash) {
		return auth.StoredKey{}, errHash
	}
	copy(key.Hash[:], sum)
	key.CreatedAt, key.ExpiresAt, key.LastUsedAt, key.RevokedAt = instant(createdAt), eventTime(expiresAt), eventTime(lastUsedAt), eventTime(revokedAt)
	return key, nil
}

// oneKey reads the row of a result that has one row or none.
func oneKey(key *auth.StoredKey, found *bool) func(scanner) error {
	return func(row scanner) (err error) {
		*key, err = scanKey(row)
		*found = err == nil
		return err
	}
}

// event is an instant as the database has it: the zero time, never, is NULL.
func event(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

// eventTime reads an event.
func eventTime(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return instant(*ms)
}
