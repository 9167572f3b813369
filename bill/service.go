package bill

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/limit/quota"
)

// MaxRows is how many rows of a bill are given at most.
const MaxRows = 1000

// usualSpan is how far back a bill goes when that is not said.
const usualSpan = 30 * 24 * time.Hour

// Service tells admins where providers stand and what was spent on them.
type Service struct {
	ledger *Ledger
	store  Store
	quotas Quotas
}

// Quotas are where all providers stand. It fails with fault.StoreUnavailable.
type Quotas func(context.Context) ([]quota.Status, error)

// NewService makes a Service.
func NewService(l *Ledger, q Quotas) *Service { return &Service{l, l.store, q} }

// Upstream is a provider as admins see it.
type Upstream struct {
	Name    string
	Breaker Breaker
	Keys    []Key
	Quota   []Quota
}

// State is a breaker's.
type State string

// The states.
const (
	Closed   State = "CLOSED"
	Open     State = "OPEN"
	HalfOpen State = "HALF_OPEN"
)

// Breaker is whether calls are made. What is nil does not apply.
type Breaker struct {
	State   State
	Since   *time.Time
	Reason  *string
	RetryAt *time.Time
}

// Key is a key of a provider's pool.
type Key struct {
	ID      string
	Breaker Breaker
}

// Quota is what a key spent in a window that ends now.
type Quota struct {
	Key      string
	Window   string // its length, such as 1m or 720h
	Limit    int
	Used     int
	ResetsAt time.Time
}

// Upstreams are all providers, for admins.
func (s *Service) Upstreams(ctx context.Context) ([]Upstream, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	statuses, err := s.quotas(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Upstream, len(statuses))
	for i, status := range statuses {
		u := Upstream{Name: status.Provider, Breaker: breakerOf(status.Breaker, status.At), Quota: []Quota{}}
		for _, k := range status.Keys {
			u.Keys = append(u.Keys, Key{k.ID, breakerOf(k.Gate, status.At)})
			for _, w := range k.Windows {
				u.Quota = append(u.Quota, Quota{k.ID, lengthOf(w.Per), w.Max, w.Used, w.ResetsAt})
			}
		}
		all[i] = u
	}
	return all, nil
}

// Spend is a provider's bill since an instant, split, for admins: what most was spent on is first. Nil: of the last 30
// days.
func (s *Service) Spend(ctx context.Context, provider string, by By, since *time.Time) ([]Row, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	if err := s.ledger.Flush(ctx); err != nil {
		return nil, err
	}
	from := time.Now().Add(-usualSpan)
	if since != nil {
		from = *since
	}
	return s.store.Spend(ctx, provider, by, from, MaxRows)
}

func breakerOf(g quota.Gate, at time.Time) Breaker {
	if !g.Shut {
		return Breaker{State: Closed}
	}
	reason := g.Why.String()
	b := Breaker{State: Open, Since: &g.Since, Reason: &reason, RetryAt: &g.Until}
	if !g.Waiting(at) {
		b.State = HalfOpen
	}
	return b
}

// lengthOf writes a length as UPSTREAM_LIMITS does.
func lengthOf(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// MarshalGQL writes the GraphQL enum value.
func (s State) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(s))) }

// UnmarshalGQL reads the GraphQL enum value.
func (s *State) UnmarshalGQL(v any) error {
	text, _ := v.(string)
	switch *s = State(text); *s {
	case Closed, Open, HalfOpen:
		return nil
	}
	return fmt.Errorf("a breaker is CLOSED, OPEN or HALF_OPEN")
}
