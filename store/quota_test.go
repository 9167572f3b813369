package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/limit/quota/quotatest"
	"github.com/coingraph/coingraph/store"
)

// TestQuota has the quotas of several processes in one database.
func TestQuota(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		migrated(t, o)
		quotatest.Run(t, func(t *testing.T, n int) []quota.Keeper {
			keepers := make([]quota.Keeper, n)
			for i := range keepers {
				keepers[i] = quota.NewDatabase(open(t, o))
			}
			return keepers
		})
	})
}

// TestQuotaSurvives: a process that ends takes no counts with it.
func TestQuotaSurvives(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		o := fresh(t)
		pool := quota.Pool{Provider: "acme", Keys: []string{"k1"}, Rates: []quota.Rate{{Max: 2, Per: 720 * time.Hour}}, Probe: time.Second}
		for i, want := range []bool{true, true, false} {
			s, err := store.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			a, err := quota.NewDatabase(s).Do(t.Context(), &pool, quota.Request{Take: true, Seeded: true})
			if err != nil || (a.Refusal == nil) != want {
				t.Errorf("process %d: %+v, %v", i, a.Refusal, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestChangeQuota: a change that fails stores nothing, and its error comes out as it is.
func TestChangeQuota(t *testing.T) {
	onEach(t, func(t *testing.T, fresh database) {
		s := migrated(t, fresh(t))
		oops := errors.New("oops")
		err := s.ChangeQuota(t.Context(), "acme", func(now time.Time, stored []byte) ([]byte, error) {
			if stored != nil || time.Since(now).Abs() > time.Minute {
				t.Errorf("got %q at %v", stored, now)
			}
			return []byte("x"), oops
		})
		if !errors.Is(err, oops) || err.Error() != "oops" {
			t.Errorf("got %v", err)
		}
		for _, step := range []struct{ stored, change string }{{"", "a"}, {"a", ""}, {"a", "b"}, {"b", ""}} {
			err := s.ChangeQuota(t.Context(), "acme", func(_ time.Time, stored []byte) ([]byte, error) {
				if string(stored) != step.stored {
					t.Errorf("stored is %q, want %q", stored, step.stored)
				}
				if step.change == "" {
					return nil, nil
				}
				return []byte(step.change), nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.ChangeQuota(ctx, "acme", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
