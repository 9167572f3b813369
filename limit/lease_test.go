package limit_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/limit/limittest"
)

// crowdOf has so many callers charge one unit each until the meter has given out so many on leases, and counts what was accepted
// and what has no answer.
func crowdOf(t *testing.T, m *limit.Redis, callers int, subject string, leased uint64) (accepted, lost int) {
	t.Helper()
	var a, l atomic.Int64
	var group sync.WaitGroup
	until := m.Stats().Leased + leased
	for range callers {
		group.Go(func() {
			for m.Stats().Leased < until {
				switch _, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1}); {
				case err == nil:
					a.Add(1)
				case fault.Is(err, fault.StoreUnavailable):
					l.Add(1)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return int(a.Load()), int(l.Load())
}

// openPatient is a client that waits.
func openPatient(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	withTimeouts, _ := patient(url)
	return open(t, withTimeouts)
}

// counter is what Redis has counted of simple_price, and how many leases it knows of.
func counter(t *testing.T, c redis.UniversalClient, subject string) (count, leases int) {
	t.Helper()
	for _, key := range keys(t, c, "*"+subject+"*") {
		switch {
		case strings.Contains(key, ":simple_price:"):
			count, _ = c.Get(t.Context(), key).Int()
		case strings.Contains(key, ":leases:"):
			leases = int(c.HLen(t.Context(), key).Val())
		}
	}
	return count, leases
}

// TestLeasesSaveRoundTrips for a subject with many charges at once, and for no other.
func TestLeasesSaveRoundTrips(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			url := testURL(t, variable)
			client, m := openPatient(t, url), newRedis(t, url, newPolicy(t, limittest.Long, 1<<30), leasing(nil))
			quiet := "limittest-" + rand.Text()
			for range 200 {
				if _, err := m.Charge(t.Context(), quiet, "standard", limit.Units{limit.SimplePrice: 1}); err != nil {
					t.Fatal(err)
				}
			}
			if s := m.Stats(); s.Operations != 200 || s.Leased != 0 {
				t.Errorf("one caller: %+v", s)
			}
			subject := "limittest-" + rand.Text()
			accepted, _ := crowdOf(t, m, 32, subject, 20_000)
			s := m.Stats()
			if s.Operations-200 > uint64(accepted)/4 {
				t.Errorf("%d charges, and %+v", accepted, s)
			}
			t.Logf("%d charges of 32 callers: %d on leases, %d operations in Redis, %d round trips", accepted, s.Leased, s.Operations-200, s.RoundTrips)
			await(t, "what is left of the lease to be given back", func() bool {
				count, leases := counter(t, client, subject)
				return count == accepted && leases == 0
			})
		})
	}
}

// TestLeaseKeys: all leases of a subject in a window are one key, which ends with the window.
func TestLeaseKeys(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			url := testURL(t, variable)
			client, m, subject := openPatient(t, url), newRedis(t, url, newPolicy(t, limittest.Long, 1<<30), leasing(nil)), "limittest-"+rand.Text()
			var key string
			var ends time.Duration
			stop := make(chan struct{})
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							_, _ = m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1})
						}
					}
				})
			}
			await(t, "a lease", func() bool {
				for _, key = range keys(t, client, "*"+subject+"*leases*") {
					ends = client.PExpireTime(t.Context(), key).Val()
					return ends > 0 // else it is gone again
				}
				return false
			})
			close(stop)
			group.Wait()
			limits, err := m.Peek(t.Context(), subject, "standard")
			if err != nil {
				t.Fatal(err)
			}
			edge := limits[0].ResetsAt
			if want := fmt.Sprintf("rate:{%s}:leases:%d", subject, edge.Add(-limittest.Long).Unix()); key != want {
				t.Errorf("the key is %s, want %s", key, want)
			}
			if ends != time.Duration(edge.UnixMilli())*time.Millisecond {
				t.Errorf("it ends at %v, the window at %v", ends, edge)
			}
		})
	}
}

// TestAReplicaDiesWithALease: those of others who are refused meanwhile wait until it is overdue and no longer; what it may have given out is
// never given out again.
func TestAReplicaDiesWithALease(t *testing.T) {
	const most = 400
	url, p, subject := testURL(t, "TEST_REDIS_URL"), newPolicy(t, limittest.Long, most), "limittest-"+rand.Text()
	withTimeouts, o := patient(url)
	o.Lease, o.Timeout = 50*time.Millisecond, 2*time.Second
	doomed := redis.NewClient(must(redis.ParseURL(withTimeouts)))
	m := limit.NewRedis(doomed, p, o)
	client := openPatient(t, url)
	died := 0
	await(t, "a lease that outlives its replica", func() bool {
		accepted, _ := crowdOf(t, m, 16, subject, 1)
		died += accepted
		if _, leases := counter(t, client, subject); leases == 0 {
			return false
		}
		_ = doomed.Close() // nothing is given back any more
		return true
	})

	other, accepted := newRedis(t, url, p, nil), 0
	start := time.Now()
	for {
		_, err := other.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1})
		if fault.Is(err, fault.RateLimited) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		accepted++
	}
	t.Logf("%d of the replica that died, %d of the other in %v", died, accepted, time.Since(start))
	if total := died + accepted; total > most || total < most-most/8-1 { // what may be leased of it
		t.Errorf("%d accepted of %d", total, most)
	}
	if count, _ := counter(t, client, subject); count != most {
		t.Errorf("the counter is %d", count)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestLostAnswersOfLeases: what is not known to have been leased, or given back, is given back nevertheless, and once.
func TestLostAnswersOfLeases(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			var lose atomic.Bool
			url := testURL(t, variable)
			client := redis.NewUniversalClient(&redis.UniversalOptions{
				Addrs: strings.Split(strings.TrimPrefix(url, "redis://"), ","), ContextTimeoutEnabled: true, MaxRetries: 3, MaxRedirects: 3,
				ReadTimeout: 30 * time.Second, DisableIdentity: true,
				Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, addr)
					return cut{c, &lose}, err
				},
			})
			t.Cleanup(func() { _ = client.Close() })
			m := limit.NewRedis(client, newPolicy(t, limittest.Long, 1<<30), limit.RedisOptions{Timeout: limittest.Patience, Lease: lease})
			subject, accepted, lost, cuts := "limittest-"+rand.Text(), 0, 0, 0
			for i := range 60 {
				// One in three while the lease is renewed, or given back.
				if lose.Store(i%3 == 0); i%3 == 0 {
					cuts++
				}
				a, l := crowdOf(t, m, 8, subject, uint64(100+i*10))
				accepted, lost = accepted+a, lost+l
			}
			lose.Store(false)
			direct := openPatient(t, url)
			var count, leases int
			defer func() {
				t.Logf("%d accepted, %d without an answer, %d counted, %d leases", accepted, lost, count, leases)
			}()
			await(t, "all that was leased to be given back", func() bool {
				_, _ = m.Peek(t.Context(), subject, "standard")
				count, leases = counter(t, direct, subject)
				return leases == 0 && count >= accepted && count <= accepted+lost
			})
		})
	}
}

// TestLeasesOutliveAServerThatHangs: charges go on while a lease lasts, and what is left of it is given back when the server answers again.
func TestLeasesOutliveAServerThatHangs(t *testing.T) {
	s := newServer(t)
	client, subject := open(t, s.url()), "limittest-"+rand.Text()
	m := limit.NewRedis(open(t, s.url()), newPolicy(t, limittest.Long, 1<<30), limit.RedisOptions{Timeout: time.Second, Lease: lease, Log: discard})
	accepted, _ := crowdOf(t, m, 8, subject, 1000)
	s.signal(t, syscall.SIGSTOP)
	var a, lost atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for !m.Stats().Open {
				if _, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1}); err == nil {
					a.Add(1)
				} else {
					lost.Add(1)
				}
			}
		})
	}
	group.Wait()
	accepted += int(a.Load())
	s.signal(t, syscall.SIGCONT)
	await(t, "all that was leased to be given back", func() bool {
		_, _ = m.Peek(t.Context(), "other", "standard") // the breaker closes for who asks
		count, leases := counter(t, client, subject)
		return leases == 0 && count >= accepted && count <= accepted+int(lost.Load())
	})
	t.Logf("%d accepted in all, %d of them while the server hung, %d without an answer", accepted, a.Load(), lost.Load())
}

// TestCloseGivesBack what a replica has leased, at once.
func TestCloseGivesBack(t *testing.T) {
	url, subject := testURL(t, "TEST_REDIS_URL"), "limittest-"+rand.Text()
	m := newRedis(t, url, newPolicy(t, limittest.Long, 1<<30), func(o *limit.RedisOptions) { o.Lease = time.Second })
	accepted, _ := crowdOf(t, m, 16, subject, 5000)
	m.Close(t.Context())
	if count, leases := counter(t, openPatient(t, url), subject); count != accepted || leases != 0 {
		t.Errorf("%d accepted, %d counted, %d leases", accepted, count, leases)
	}
}

// TestLeasedCharges: a charge on a lease allocates what its status needs.
func TestLeasedCharges(t *testing.T) {
	m := newRedis(t, testURL(t, "TEST_REDIS_URL"), newPolicy(t, limittest.Long, 1<<30), func(o *limit.RedisOptions) { o.Lease = time.Second })
	subject, one := "limittest-"+rand.Text(), limit.Units{limit.SimplePrice: 1}
	ctx := t.Context()
	for range 100 {
		crowdOf(t, m, 16, subject, 10_000) // until a lease lasts for the whole measurement
		before := m.Stats()
		allocs := testing.AllocsPerRun(300, func() { _, _ = m.Charge(ctx, subject, "standard", one) })
		if s := m.Stats(); s.Operations == before.Operations {
			if allocs > 1 {
				t.Errorf("%v allocations", allocs)
			}
			return
		}
	}
	t.Error("no lease lasted for 300 charges")
}
