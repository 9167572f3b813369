package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// StoredKey is an API key of the database. Its secret is not in it. Instants are in UTC, to the millisecond; the zero
// time stands for never.
type StoredKey struct {
	ID         string            `json:"id"` // "key_" and 16 letters and digits; may be shown
	Name       string            `json:"name"`
	Tier       string            `json:"tier"`
	Hash       [sha256.Size]byte `json:"-"` // SHA-256 of the secret
	CreatedAt  time.Time         `json:"createdAt"`
	ExpiresAt  time.Time         `json:"expiresAt,omitzero"`  // not valid from this instant on
	LastUsedAt time.Time         `json:"lastUsedAt,omitzero"` // may be over a minute late
	RevokedAt  time.Time         `json:"revokedAt,omitzero"`
}

// Role is what the key's holder may do.
func (k *StoredKey) Role() Role { return roleOf(k.Tier) }

// check says why the key is not valid at an instant; nil when it is. A key that was revoked stays so, whatever the clocks.
func (k *StoredKey) check(at time.Time) error {
	switch {
	case !k.RevokedAt.IsZero():
		return fmt.Errorf("API key: %s is revoked", k.ID)
	case !k.ExpiresAt.IsZero() && !at.Before(k.ExpiresAt):
		return fmt.Errorf("API key: %s has expired", k.ID)
	}
	return nil
}

// KeyStore keeps API keys. Keys are never deleted: entries of the log go on naming them. Besides what the methods say,
// each fails with fault.StoreUnavailable, or with its context's error. What one method has written, the others see on
// every replica from the moment that it returned.
type KeyStore interface {
	// InsertKey stores a new key. Among keys that are not revoked a name is unique: where one has it already, expired or
	// not, nothing is stored, and the error is [NameTaken]'s. It holds for inserts at the same time on two replicas too.
	InsertKey(ctx context.Context, key StoredKey) error
	// Keys are all keys, whatever their state, ascending by CreatedAt, then ID.
	Keys(ctx context.Context) ([]StoredKey, error)
	// KeyByHash is the key with the hash, whatever its state; found is false when there is none.
	KeyByHash(ctx context.Context, hash [sha256.Size]byte) (key StoredKey, found bool, err error)
	// RevokeKey sets RevokedAt unless it is set already, and gives the key as it is then; found is false when there is
	// none with the id.
	RevokeKey(ctx context.Context, id string, at time.Time) (key StoredKey, found bool, err error)
	// TouchKeys sets LastUsedAt of the keys, given by their ids, except where it is later already. Ids that are unknown
	// are passed over.
	TouchKeys(ctx context.Context, used map[string]time.Time) error
}

var errNameTaken = errors.New("the name is taken")

// NameTaken is how a [KeyStore] refuses a key whose name another one has: a fault.BadInput for the field "name".
func NameTaken() error {
	return &fault.Error{
		Kind:   fault.BadInput,
		Fields: []fault.Field{{Field: "name", Message: "is the name of another key that is not revoked"}},
		Cause:  errNameTaken,
	}
}
