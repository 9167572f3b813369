package quota

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Store keeps each provider's state as a text.
type Store interface {
	// ChangeQuota gives the text that is stored for the provider, nil if there is none, and the database's time, and
	// stores the text that change makes of it; nil: it stays. No other change of the provider's happens meanwhile, in
	// whatever process. It fails with fault.StoreUnavailable, the context's error or change's own; then nothing is stored.
	ChangeQuota(ctx context.Context, provider string, change func(now time.Time, stored []byte) ([]byte, error)) error
}

// Database is a [Keeper] that processes on one database share.
type Database struct{ store Store }

// NewDatabase makes a Database.
func NewDatabase(s Store) *Database { return &Database{s} }

// Do implements [Keeper].
func (d *Database) Do(ctx context.Context, p *Pool, r Request) (answer Answer, err error) {
	err = d.store.ChangeQuota(ctx, p.Provider, func(now time.Time, stored []byte) ([]byte, error) {
		var s state
		if stored != nil {
			if err := json.Unmarshal(stored, &s); err != nil {
				return nil, fmt.Errorf("quota: what is stored of %s: %w", p.Provider, err)
			}
		}
		answer = s.do(now, p, r)
		if answer.Lost || !r.Take && r.Report == nil && !r.Seeded && len(r.Debts) == 0 {
			return nil, nil
		}
		return json.Marshal(&s)
	})
	return answer, err
}
