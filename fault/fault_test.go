package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestEveryKindIsInTheTable(t *testing.T) {
	names := map[string]Kind{}
	for k := range kinds {
		r := table[k]
		if r.name == "" || r.code == "" || r.message == "" || http.StatusText(r.status) == "" && k != Abandoned { // whose status nobody is told
			t.Errorf("kind %d: %+v", k, r)
		}
		if other, taken := names[r.name]; taken {
			t.Errorf("%d and %d are both %q", k, other, r.name)
		}
		names[r.name] = k
		if k.Upstream() && !strings.HasPrefix(r.code, "UPSTREAM_") && k != UpstreamNotFound {
			t.Errorf("%s has the code %s", r.name, r.code)
		}
	}
	if Kind(200).Code() != "INTERNAL" || Kind(200).Status() != 500 {
		t.Error("a kind that does not exist is internal")
	}
}

func TestOfIsTotalAndTellsNothing(t *testing.T) {
	secret := errors.New("dial tcp: password=hunter2")
	for _, c := range []struct {
		err  error
		kind Kind
		safe string
	}{
		{secret, Internal, "internal error"},
		{fmt.Errorf("load: %w", Wrap(StoreUnavailable, secret)), StoreUnavailable, "the store is unavailable"},
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", New(NotFound, "there is no asset %q", "x"))), NotFound, `there is no asset "x"`},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), UpstreamTimeout, "the data provider did not answer in time"},
		{fmt.Errorf("wait: %w", context.Canceled), Abandoned, "the caller has left"},
		{Invalid(Field{"days", "must be a number"}), BadInput, "invalid parameters"},
		{&Error{Kind: UpstreamRateLimited, RetryAfter: time.Minute, Cause: secret}, UpstreamRateLimited, "the data provider limits our requests"},
	} {
		f := Of(c.err)
		if f.Kind != c.kind || f.Safe() != c.safe || strings.Contains(f.Safe(), "hunter2") || !Is(c.err, c.kind) {
			t.Errorf("%v: got %v %q", c.err, f.Kind, f.Safe())
		}
	}
	if Of(nil) != nil || Is(nil, Internal) || Invalid() != nil {
		t.Error("no error is no fault")
	}
	if !strings.Contains(Wrap(Internal, secret).Error(), "hunter2") || !errors.Is(Wrap(Internal, secret), secret) {
		t.Error("the log is told the cause")
	}
}

// TestKindNamed: each name leads back to its kind, and to no other.
func TestKindNamed(t *testing.T) {
	for k := range kinds {
		if got, ok := KindNamed(k.String()); !ok || got != k {
			t.Errorf("%s leads to %s", k, got)
		}
	}
	if got, ok := KindNamed("nonesuch"); ok || got != Internal {
		t.Errorf("got %v", got)
	}
}
