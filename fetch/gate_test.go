package fetch

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// maxFailures is how many failures in a row shut a provider.
const maxFailures = 10

// within asks with a deadline.
func within(t *testing.T, source *Source, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	_, err := source.Assets(ctx)
	return err
}

// pass lets time go by, in a test of synctest.
func pass(d time.Duration) { <-time.After(d) }

// TestPause: a 429 is one for all. Until its end nobody makes a call, whoever can wait does, and the others are told how
// long it will be.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(events)
		o := defaults
		o.Log = log.logger()
		source, s := scripted(o, limited(30*time.Second), well)
		start := time.Now()
		wantKind(t, "the first", within(t, source, time.Second), fault.UpstreamRateLimited)
		pass(10 * time.Second)
		for range 200 {
			err := within(t, source, 10*time.Second)
			wantKind(t, "meanwhile", err, fault.UpstreamRateLimited)
			if f := fault.Of(err); f.RetryAfter != 20*time.Second {
				t.Errorf("retry after %v, want 20s", f.RetryAfter)
			}
		}
		if s.count() != 1 || time.Since(start) != 10*time.Second {
			t.Errorf("%d calls, %v", s.count(), time.Since(start))
		}
		pass(15 * time.Second)
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if err := within(t, source, 10*time.Second); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if took := time.Since(start); took < 30*time.Second || took > 30*time.Second+spread {
			t.Errorf("those who wait are answered after %v", took)
		}
		for _, at := range s.calls[1:] {
			if at.Before(start.Add(30 * time.Second)) {
				t.Errorf("a call after %v", at.Sub(start))
			}
		}
		if got, want := log.of(t, "fetch.gate"), []string{"WARN upstream_rate_limited"}; !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

// TestBreaker: a provider that keeps failing is not asked, but for one call each Probe, until one is answered.
func TestBreaker(t *testing.T) {
	for _, kind := range []fault.Kind{fault.UpstreamUnavailable, fault.UpstreamNonsense, fault.UpstreamTimeout} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(events)
				o := defaults
				o.Retries, o.Log = 0, log.logger()
				source, s := scripted(o, failing(kind))
				for range maxFailures {
					wantKind(t, "failing", within(t, source, time.Second), kind)
				}
				if s.count() != maxFailures {
					t.Fatalf("%d calls", s.count())
				}
				start := time.Now()
				for range 300 {
					err := within(t, source, time.Second)
					wantKind(t, "shut", err, kind)
					if f := fault.Of(err); f.RetryAfter <= 0 || f.RetryAfter > o.Probe {
						t.Errorf("retry after %v", f.RetryAfter)
					}
				}
				if s.count() != maxFailures || time.Since(start) != 0 {
					t.Errorf("%d calls while shut, %v", s.count()-maxFailures, time.Since(start))
				}
				for range 4 {
					pass(o.Probe)
					var group sync.WaitGroup
					for range 20 {
						group.Go(func() { wantKind(t, "probed", within(t, source, time.Second), kind) })
					}
					group.Wait()
				}
				if got := s.count() - maxFailures; got != 4 {
					t.Errorf("%d probes in four times Probe", got)
				}
				s.then(well)
				pass(o.Probe)
				for range 20 {
					if err := within(t, source, time.Second); err != nil {
						t.Error("open again:", err)
					}
				}
				if got, want := log.of(t, "fetch.gate"), []string{"ERROR " + kind.String(), "INFO "}; !slices.Equal(got, want) {
					t.Errorf("logged %q, want %q", got, want)
				}
			})
		})
	}
}

// TestRefusalShuts: a refusal of the key, the host or the address shuts at once. The alarm is raised once, and the probes
// find out when it is over.
func TestRefusalShuts(t *testing.T) {
	for _, kind := range []fault.Kind{fault.UpstreamKey, fault.UpstreamHost, fault.UpstreamBlocked} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(events)
				o := defaults
				o.Log = log.logger()
				source, s := scripted(o, failing(kind))
				for range 50 {
					err := within(t, source, time.Second)
					if wantKind(t, "refused", err, kind); fault.Of(err).Kind.Status() != 502 {
						t.Error(err)
					}
				}
				if s.count() != 1 {
					t.Errorf("%d calls", s.count())
				}
				for range 3 {
					pass(o.Probe)
					wantKind(t, "probed", within(t, source, time.Second), kind)
					wantKind(t, "probed", within(t, source, time.Second), kind)
				}
				if s.count() != 4 {
					t.Errorf("%d calls after three probes", s.count())
				}
				s.then(well)
				pass(o.Probe)
				for range 3 {
					if err := within(t, source, time.Second); err != nil {
						t.Error(err)
					}
				}
				if got, want := log.of(t, "fetch.gate"), []string{"ERROR " + kind.String(), "INFO "}; !slices.Equal(got, want) {
					t.Errorf("logged %q, want %q", got, want)
				}
			})
		})
	}
}

// TestTemporaryRefusal shuts as any other when it has come again, or is not to be tried again.
func TestTemporaryRefusal(t *testing.T) {
	for retries, calls := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			o := defaults
			o.Retries = retries
			source, s := scripted(o, func(context.Context, string) error { return fault.Wrap(fault.UpstreamHost, passes{}) })
			for range 5 {
				wantKind(t, "refused", within(t, source, time.Second), fault.UpstreamHost)
			}
			if s.count() != calls {
				t.Errorf("%d retries: %d calls, want %d", retries, s.count(), calls)
			}
		})
	}
}

// TestProbeThatNeverEnds: a probe whose caller has gone away costs no more than a wait for the next.
func TestProbeThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, s := scripted(defaults, failing(fault.UpstreamKey), hanging, well)
		wantKind(t, "refused", within(t, source, time.Second), fault.UpstreamKey)
		pass(defaults.Probe)
		wantKind(t, "the probe", within(t, source, time.Second), fault.UpstreamTimeout)
		wantKind(t, "after it", within(t, source, time.Second), fault.UpstreamKey)
		pass(defaults.Probe)
		if err := within(t, source, time.Second); err != nil || s.count() != 3 {
			t.Errorf("%v after %d calls", err, s.count())
		}
	})
}

// TestManyCallersAtOnce is for the race detector, and ends with an open gate.
func TestManyCallersAtOnce(t *testing.T) {
	source, s := scripted(Options{Timeout: time.Second, Retries: 2, Backoff: time.Microsecond, BackoffMax: time.Microsecond, Probe: time.Microsecond},
		failing(fault.UpstreamUnavailable), limited(time.Microsecond), well, failing(fault.UpstreamNonsense), failing(fault.UpstreamKey), well)
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for range 50 {
				if _, err := source.Assets(t.Context()); err != nil && !fault.Of(err).Kind.Upstream() {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if _, err := source.Assets(t.Context()); err != nil || s.count() < 7 {
		t.Errorf("%v after %d calls", err, s.count())
	}
}
