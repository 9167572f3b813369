package fetch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

var defaults = Options{Timeout: 3 * time.Second, Retries: 3, Backoff: 200 * time.Millisecond, BackoffMax: 5 * time.Second, Probe: 5 * time.Second}

// TestRetries: what may pass is tried again, and nothing else is.
func TestRetries(t *testing.T) {
	passing := func(context.Context, string) error { return fault.Wrap(fault.UpstreamHost, passes{}) }
	for _, test := range []struct {
		name  string
		ends  []func(context.Context, string) error
		calls int
		kind  fault.Kind // Internal: well
	}{
		{"well", []func(context.Context, string) error{well}, 1, 0},
		{"500 two times, then well", []func(context.Context, string) error{failing(fault.UpstreamUnavailable), failing(fault.UpstreamUnavailable), well}, 3, 0},
		{"500 for ever", []func(context.Context, string) error{failing(fault.UpstreamUnavailable)}, 4, fault.UpstreamUnavailable},
		{"hangs for ever", []func(context.Context, string) error{hanging}, 4, fault.UpstreamTimeout},
		{"nonsense, then well", []func(context.Context, string) error{failing(fault.UpstreamNonsense), well}, 2, 0},
		{"nonsense for ever", []func(context.Context, string) error{failing(fault.UpstreamNonsense)}, 2, fault.UpstreamNonsense},
		{"429, then well", []func(context.Context, string) error{limited(7 * time.Second), well}, 2, 0},
		{"10010, then well", []func(context.Context, string) error{passing, well}, 2, 0},
		{"10010 for ever", []func(context.Context, string) error{passing}, 2, fault.UpstreamHost},
		{"10011", []func(context.Context, string) error{failing(fault.UpstreamHost)}, 1, fault.UpstreamHost},
		{"a wrong key", []func(context.Context, string) error{failing(fault.UpstreamKey)}, 1, fault.UpstreamKey},
		{"not in the plan", []func(context.Context, string) error{failing(fault.UpstreamPlan)}, 1, fault.UpstreamPlan},
		{"beyond the plan", []func(context.Context, string) error{failing(fault.UpstreamRange)}, 1, fault.UpstreamRange},
		{"blocked", []func(context.Context, string) error{failing(fault.UpstreamBlocked)}, 1, fault.UpstreamBlocked},
		{"rejected", []func(context.Context, string) error{failing(fault.UpstreamRejected)}, 1, fault.UpstreamRejected},
		{"not found", []func(context.Context, string) error{failing(fault.UpstreamNotFound)}, 1, fault.UpstreamNotFound},
		{"no such path", []func(context.Context, string) error{failing(fault.UpstreamPath)}, 1, fault.UpstreamPath},
		{"a mistake of ours", []func(context.Context, string) error{func(context.Context, string) error { return errors.New("oops") }}, 1, fault.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []Call
				o := defaults
				o.OnCall = func(c Call) { told = append(told, c) }
				source, s := scripted(o, test.ends...)
				ctx, tally := telemetry.WithTally(t.Context())
				start := time.Now()
				got, err := source.Assets(ctx)
				if isWell := test.kind == fault.Internal && test.name != "a mistake of ours"; isWell != (err == nil) || isWell != (len(got) == 1) {
					t.Errorf("got %v, %v", got, err)
				} else if !isWell {
					wantKind(t, test.name, err, test.kind)
				}
				if s.count() != test.calls || tally.UpstreamCalls() != test.calls || len(told) != test.calls {
					t.Errorf("%d calls, %d counted, %d told, want %d", s.count(), tally.UpstreamCalls(), len(told), test.calls)
				}
				if took := time.Since(start); took > 16*time.Second {
					t.Errorf("it took %v", took)
				}
				if last := told[len(told)-1]; last.Provider != "acme" || last.Endpoint != "/list" || (last.Err == nil) != (err == nil) {
					t.Errorf("told %+v", last)
				}
			})
		})
	}
}

// passes is a refusal that says of itself that it may pass.
type passes struct{}

func (passes) Error() string   { return "at times" }
func (passes) Temporary() bool { return true }

// TestBackoff: waits are random, at most the doubled backoff, and never more than its maximum.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds = 300
		var longest [9]time.Duration
		var shortest [9]time.Duration
		for range rounds {
			o := defaults
			o.Retries, o.BackoffMax = 9, time.Second
			source, s := scripted(o, failing(fault.UpstreamUnavailable))
			_, err := source.Assets(t.Context())
			wantKind(t, "500 for ever", err, fault.UpstreamUnavailable)
			for i := range longest {
				wait := s.calls[i+1].Sub(s.calls[i])
				longest[i] = max(longest[i], wait)
				if shortest[i] == 0 || wait < shortest[i] {
					shortest[i] = wait
				}
			}
		}
		for i := range longest {
			ceiling := min(200*time.Millisecond<<i, time.Second)
			// Of 300 random waits, one is above 9/10 and one below 1/10 of the ceiling but for one case in 10^13.
			if longest[i] > ceiling || longest[i] < ceiling*9/10 || shortest[i] > ceiling/10 {
				t.Errorf("retry %d waits %v to %v, want up to %v", i+1, shortest[i], longest[i], ceiling)
			}
		}
	})
}

// TestDeadline: everything ends at the caller's deadline, and a wait that would outlast it is not begun.
func TestDeadline(t *testing.T) {
	for _, test := range []struct {
		name     string
		end      func(context.Context, string) error
		deadline time.Duration
		calls    int
		took     time.Duration // at most
		kind     fault.Kind
		retry    time.Duration
	}{
		{"hangs", hanging, 4 * time.Second, 2, 4 * time.Second, fault.UpstreamTimeout, 0},
		{"429, longer than the deadline", limited(7 * time.Second), 5 * time.Second, 1, 0, fault.UpstreamRateLimited, 7 * time.Second},
		{"429 of an hour", limited(time.Hour), 10 * time.Second, 1, 0, fault.UpstreamRateLimited, time.Hour},
		{"429 once more after the pause", limited(7 * time.Second), 10 * time.Second, 2, 8 * time.Second, fault.UpstreamRateLimited, 7 * time.Second},
		{"503 with Retry-After", func(context.Context, string) error {
			return &fault.Error{Kind: fault.UpstreamUnavailable, RetryAfter: time.Minute}
		}, 10 * time.Second, 1, 0, fault.UpstreamUnavailable, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, s := scripted(defaults, test.end)
				ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
				defer cancel()
				start := time.Now()
				_, err := source.Assets(ctx)
				wantKind(t, test.name, err, test.kind)
				if f := fault.Of(err); f.RetryAfter != test.retry {
					t.Errorf("retry after %v, want %v", f.RetryAfter, test.retry)
				}
				if took := time.Since(start); took > test.took || s.count() != test.calls {
					t.Errorf("%d calls in %v, want %d in %v", s.count(), took, test.calls, test.took)
				}
			})
		})
	}
}

// TestCallerGoesAway: nothing is sent for one who has gone, and it says nothing of the provider.
func TestCallerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(events)
		o := defaults
		o.Log = log.logger()
		source, s := scripted(o, hanging)
		for range 3 * maxFailures {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := source.Assets(ctx)
			if wantKind(t, "cancelled", err, fault.UpstreamTimeout); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		before := s.count()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := source.Assets(gone); !errors.Is(err, context.Canceled) || s.count() != before {
			t.Errorf("got %v after %d calls", err, s.count()-before)
		}
		if found := log.of(t, "fetch.gate"); found != nil {
			t.Errorf("the gate moved: %q", found)
		}
	})
}

// TestCallLog has a line for each call, with what became of it.
func TestCallLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(events)
		o := defaults
		o.Log = log.logger()
		source, _ := scripted(o, failing(fault.UpstreamUnavailable), well)
		if _, err := source.Assets(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := log.of(t, "fetch.call"), []string{"WARN upstream_unavailable", "INFO ok"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
