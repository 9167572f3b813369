package limit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
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

// variables name the servers that what holds for Redis must hold on.
var variables = []string{"TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL"}

// patient are the options of a Redis whose answers matter, and not how soon they come. A cluster's client would send
// again after its own timeout, which patience therefore stays below.
func patient(url string) (withTimeouts string, o limit.RedisOptions) {
	return url + "?dial_timeout=30s&read_timeout=30s&write_timeout=30s", limit.RedisOptions{Timeout: limittest.Patience, Log: discard}
}

func newRedis(t testing.TB, url string, p *limit.Policy, change func(*limit.RedisOptions)) *limit.Redis {
	t.Helper()
	url, o := patient(url)
	if change != nil {
		change(&o)
	}
	return limit.NewRedis(open(t, url), p, o)
}

// skewed are clocks of replicas: right, and wrong by 30 s, forwards and backwards.
func skewed(replica int) func(*limit.RedisOptions) {
	skew := []time.Duration{0, 30 * time.Second, -30 * time.Second}[replica%3]
	return func(o *limit.RedisOptions) {
		o.Now = func() time.Time { return time.Now().Add(skew) }
	}
}

func TestRedis(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			url := testURL(t, variable)
			limittest.Run(t, func(t *testing.T, p *limit.Policy, n int) []limit.Meter {
				meters := make([]limit.Meter, n)
				for i := range meters {
					meters[i] = newRedis(t, url, p, skewed(i+1))
				}
				return meters
			})
		})
		t.Run(variable+" with leases", func(t *testing.T) {
			url := testURL(t, variable)
			limittest.Run(t, func(t *testing.T, p *limit.Policy, n int) []limit.Meter {
				meters := make([]limit.Meter, n)
				for i := range meters {
					meters[i] = newRedis(t, url, p, leasing(skewed(i+1)))
				}
				return meters
			})
		})
	}
}

// lease is how long replicas lease units under test.
const lease = 20 * time.Millisecond

// leasing are the options with leases.
func leasing(change func(*limit.RedisOptions)) func(*limit.RedisOptions) {
	return func(o *limit.RedisOptions) {
		if o.Lease = lease; change != nil {
			change(o)
		}
	}
}

// TestClocks: with windows of 2 s and replicas whose clocks are up to an hour apart, each window of the server's has
// exactly the limit.
func TestClocks(t *testing.T) {
	t.Run("one caller each", func(t *testing.T) { clocks(t, 10, 1) })
	t.Run("a crowd each, with leases", func(t *testing.T) { clocks(t, 1000, 6) })
}

func clocks(t *testing.T, most, callers int) {
	url, p := testURL(t, "TEST_REDIS_URL"), newPolicy(t, 2*time.Second, most)
	subject := "limittest-" + rand.Text()
	var mu sync.Mutex
	allowed := map[time.Time]int{}
	var whole atomic.Int32 // windows that all replicas have seen to the end
	var group sync.WaitGroup
	for _, skew := range []time.Duration{0, 30 * time.Second, -30 * time.Second, time.Hour} {
		m := newRedis(t, url, p, leasing(func(o *limit.RedisOptions) {
			o.Now = func() time.Time { return time.Now().Add(skew) }
		}))
		for range callers {
			group.Go(func() {
				var last time.Time
				for seen := 0; seen < 4; {
					s, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1})
					if err != nil && !fault.Is(err, fault.RateLimited) {
						t.Error(err)
						return
					}
					if s.Reset <= 0 || s.Reset > 2*time.Second {
						t.Errorf("resets in %v", s.Reset)
						return
					}
					if s.Least.ResetsAt.After(last) {
						last = s.Least.ResetsAt
						seen++
					}
					if err == nil {
						mu.Lock()
						allowed[s.Least.ResetsAt]++
						mu.Unlock()
					}
				}
				whole.Add(1)
			})
		}
	}
	group.Wait()
	if int(whole.Load()) != 4*callers || len(allowed) < 4 {
		t.Errorf("%d callers saw %d windows", whole.Load(), len(allowed))
	}
	for window, n := range allowed {
		if n > most {
			t.Errorf("%d in the window until %v", n, window)
		}
	}
	if full := slices.Collect(func(yield func(int) bool) {
		for _, n := range allowed {
			if n == most && !yield(n) {
				return
			}
		}
	}); len(full) < 3 {
		t.Errorf("only %d windows of %v were used up", len(full), allowed)
	}
}

// TestAClockThatIsWrongCostsOneRoundTrip, once: the first answer corrects it.
func TestAClockThatIsWrongCostsOneRoundTrip(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			m := newRedis(t, testURL(t, variable), newPolicy(t, limittest.Long, 100), func(o *limit.RedisOptions) {
				o.Now = func() time.Time { return time.Now().Add(24 * time.Hour) }
			})
			subject := "limittest-" + rand.Text()
			for i := range 20 {
				if _, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.LogExport: 2}); err != nil {
					t.Fatal(err)
				}
				// The script may have been lacking, and an edge may be passed by.
				if s := m.Stats(); s.Operations != uint64(i+1) || s.RoundTrips < s.Operations+1 || s.RoundTrips > s.Operations+3 || s.Faults != 0 {
					t.Fatalf("got %+v", s)
				}
			}
		})
	}
}

func TestKeys(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			url := testURL(t, variable)
			client, m, subject := open(t, url), newRedis(t, url, newPolicy(t, limittest.Long, 100), nil), "limittest-"+rand.Text()
			s, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 3, limit.MarketChart: 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Peek(t.Context(), subject, "standard"); err != nil {
				t.Fatal(err)
			}
			start := s.Least.ResetsAt.Add(-limittest.Long).Unix()
			want := []string{fmt.Sprintf("rate:{%s}:market_chart:%d", subject, start), fmt.Sprintf("rate:{%s}:simple_price:%d", subject, start)}
			got := keys(t, client, "*"+subject+"*")
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if n := client.Get(t.Context(), want[1]).Val(); n != "3" {
				t.Errorf("the counter is %q", n)
			}
			for _, key := range want { // it ends with the window
				if ends := client.PExpireTime(t.Context(), key).Val(); ends != time.Duration(s.Least.ResetsAt.UnixMilli())*time.Millisecond {
					t.Errorf("%s ends at %v, the window at %v", key, ends, s.Least.ResetsAt)
				}
			}
		})
	}
}

// TestEveryKeyExpires: after a burst of charges that are accepted, refused and left by their callers, and after a kill
// -9 of the server in the middle of it. It keeps each write on disk, so it starts with all that it had.
func TestEveryKeyExpires(t *testing.T) {
	s := newServer(t, "--appendonly", "yes", "--appendfsync", "always")
	p := newPolicy(t, limittest.Long, 50)
	name := regexp.MustCompile(`^rate:\{key-[0-9]+\}:(simple_price|market_chart|on_chain_metric|log_export):[0-9]+$`)
	for round := range 3 {
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var charges atomic.Int64
		for worker := range 8 {
			m := limit.NewRedis(open(t, s.url()), p, limit.RedisOptions{Log: discard})
			group.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					ctx, cancel := ctx, context.CancelFunc(func() {})
					if i%3 == 0 {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(i%7)*100*time.Microsecond)
					}
					var units limit.Units
					units[i%len(units)] = 1 + i%5
					_, err := m.Charge(ctx, fmt.Sprintf("key-%d", (worker*131+i)%500), "standard", units)
					cancel()
					if err == nil || fault.Is(err, fault.RateLimited) {
						charges.Add(1)
					}
				}
			})
		}
		await(t, "some charges", func() bool { return charges.Load() > 1000 })
		s.kill()
		stop()
		group.Wait()
		s.start(t)
		client := open(t, s.url())
		all := keys(t, client, "*")
		if len(all) == 0 {
			t.Fatal("nothing was kept")
		}
		for _, key := range all {
			if ttl := client.PTTL(t.Context(), key).Val(); !name.MatchString(key) || ttl <= 0 || ttl > limittest.Long {
				t.Fatalf("%s ends in %v", key, ttl)
			}
		}
		t.Logf("round %d: %d keys after %d charges, all of them expire", round, len(all), charges.Load())
	}
}

// TestConcurrentChargesShareRoundTrips, and are still counted one by one.
func TestConcurrentChargesShareRoundTrips(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			m := newRedis(t, testURL(t, variable), newPolicy(t, limittest.Long, 1000), nil)
			subject := "limittest-" + rand.Text()
			var group sync.WaitGroup
			var accepted atomic.Int64
			for range 64 {
				group.Go(func() {
					for range 50 {
						_, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1})
						switch {
						case err == nil:
							accepted.Add(1)
						case !fault.Is(err, fault.RateLimited):
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			s := m.Stats()
			if accepted.Load() != 1000 || s.Operations != 3200 || s.RoundTrips > s.Operations/4 {
				t.Errorf("%d accepted, %+v", accepted.Load(), s)
			}
			t.Logf("%d operations of 64 callers took %d round trips", s.Operations, s.RoundTrips)
		})
	}
}

// TestWhoLeavesTheQueueIsNotCharged: a charge that waits for its turn is not sent when its caller has gone.
func TestWhoLeavesTheQueueIsNotCharged(t *testing.T) {
	s := newServer(t)
	m, one := newRedis(t, s.url(), newPolicy(t, limittest.Long, 100), nil), limit.Units{limit.SimplePrice: 1}
	if _, err := m.Charge(t.Context(), "key", "standard", one); err != nil {
		t.Fatal(err)
	}
	s.signal(t, syscall.SIGSTOP)
	// As many pipelines are under way as may be when there are three more.
	before, charges, accepted := m.Stats().RoundTrips, 0, make(chan error)
	await(t, "the pipelines that may be under way side by side", func() bool {
		charges++
		go func() {
			_, err := m.Charge(t.Context(), "key", "standard", one)
			accepted <- err
		}()
		return m.Stats().RoundTrips == before+3
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := m.Charge(ctx, "key", "standard", one); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who leaves gets %v", err)
	}
	s.signal(t, syscall.SIGCONT)
	for range charges {
		if err := <-accepted; err != nil {
			t.Error(err)
		}
	}
	limits, err := m.Peek(t.Context(), "key", "standard")
	if err != nil || limits[0].Remaining != 99-charges || m.Stats().Operations != uint64(charges)+2 {
		t.Errorf("%d charges: %+v, %v, %+v", charges, limits, err, m.Stats())
	}
}

// TestTheScriptIsLost: the server forgets it, in a restart or a failover, while charges go on.
func TestTheScriptIsLost(t *testing.T) {
	s := newServer(t)
	client, subject := openPatient(t, s.url()), "limittest-"+rand.Text()
	m := newRedis(t, s.url(), newPolicy(t, limittest.Long, 1<<20), leasing(nil))
	for i := range 5 {
		var group sync.WaitGroup
		for range 40 {
			group.Go(func() {
				if _, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if limits, err := m.Peek(t.Context(), subject, "standard"); err != nil || limits[0].Max-limits[0].Remaining != 40*(i+1) {
			t.Fatalf("after %d charges: %+v, %v", 40*(i+1), limits, err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForeignValues: what somebody else has put under a counter's name is a fault, and the other counters of the
// operation are not changed.
func TestForeignValues(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			url := testURL(t, variable)
			client, m := open(t, url), newRedis(t, url, newPolicy(t, limittest.Long, 100), nil)
			for _, put := range []func(key string) error{
				func(key string) error { return client.Set(t.Context(), key, "many", time.Minute).Err() },
				func(key string) error { return client.LPush(t.Context(), key, "1").Err() },
			} {
				subject, both := "limittest-"+rand.Text(), limit.Units{limit.SimplePrice: 1, limit.LogExport: 1}
				s, err := m.Charge(t.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1})
				if err != nil {
					t.Fatal(err)
				}
				start := s.Least.ResetsAt.Add(-limittest.Long).Unix()
				foreign := fmt.Sprintf("rate:{%s}:log_export:%d", subject, start)
				if err := put(foreign); err != nil {
					t.Fatal(err)
				}
				if _, err := m.Charge(t.Context(), subject, "standard", both); !fault.Is(err, fault.StoreUnavailable) {
					t.Errorf("got %v", err)
				}
				if n := client.Get(t.Context(), strings.Replace(foreign, "log_export", "simple_price", 1)).Val(); n != "1" {
					t.Errorf("the other counter is %q", n)
				}
				client.Del(t.Context(), foreign)
			}
		})
	}
}

// cut is a connection whose answers are lost: it ends when the next one has come.
type cut struct {
	net.Conn
	lose *atomic.Bool
}

func (c cut) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.lose.CompareAndSwap(true, false) {
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}

// TestALostAnswerIsNotAskedForAgain, whatever the client may do with other commands: the charge would count twice.
func TestALostAnswerIsNotAskedForAgain(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			var lose atomic.Bool
			addrs := strings.Split(strings.TrimPrefix(testURL(t, variable), "redis://"), ",")
			client := redis.NewUniversalClient(&redis.UniversalOptions{
				Addrs: addrs, ContextTimeoutEnabled: true, MaxRetries: 3, MaxRedirects: 3, ReadTimeout: 30 * time.Second, DisableIdentity: true,
				Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, addr)
					return cut{c, &lose}, err
				},
			})
			t.Cleanup(func() { _ = client.Close() })
			m := limit.NewRedis(client, newPolicy(t, limittest.Long, 100), limit.RedisOptions{Timeout: limittest.Patience})
			subject, one := "limittest-"+rand.Text(), limit.Units{limit.SimplePrice: 1}
			if _, err := m.Charge(t.Context(), subject, "standard", one); err != nil {
				t.Fatal(err)
			}
			lose.Store(true)
			if _, err := m.Charge(t.Context(), subject, "standard", one); !fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("got %v", err)
			}
			if s, err := m.Charge(t.Context(), subject, "standard", one); err != nil || s.Least.Remaining != 97 {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
}

// TestASlotMoves while charges go on: the counters stay exact on both nodes of the move, because the script's keys are
// declared.
func TestASlotMoves(t *testing.T) {
	nodes := newCluster(t)
	url := nodes[0].url() + "," + nodes[1].addr
	const most = 2000
	ctx, m, subject := t.Context(), newRedis(t, url, newPolicy(t, limittest.Long, most), nil), "limittest-"+rand.Text()
	do := func(c *redis.Client, args ...any) any {
		t.Helper()
		v, err := c.Do(ctx, args...).Result()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return v
	}
	var clients []*redis.Client
	for _, node := range nodes {
		clients = append(clients, open(t, node.url()).(*redis.Client))
	}
	if _, err := m.Peek(ctx, subject, "standard"); err != nil {
		t.Fatal(err)
	}
	slot := clients[0].ClusterKeySlot(ctx, subject).Val()
	from, to := clients[0], clients[1]
	if slot >= slots/2 {
		from, to = to, from
	}
	move := func(from, to *redis.Client) {
		do(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", do(from, "CLUSTER", "MYID"))
		do(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", do(to, "CLUSTER", "MYID"))
		host, port, _ := strings.Cut(to.Options().Addr, ":")
		for _, key := range keys(t, from, "*"+subject+"*") {
			do(from, "MIGRATE", host, port, key, 0, 5000)
		}
		for _, c := range []*redis.Client{to, from} {
			do(c, "CLUSTER", "SETSLOT", slot, "NODE", do(to, "CLUSTER", "MYID"))
		}
	}

	var accepted, lost atomic.Int64
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := m.Charge(ctx, subject, "standard", limit.Units{limit.SimplePrice: 1})
				switch {
				case err == nil:
					accepted.Add(1)
				case fault.Is(err, fault.StoreUnavailable): // it may have been counted or not: see Meter
					lost.Add(1)
				case !fault.Is(err, fault.RateLimited):
					t.Error(err)
				}
			}
		})
	}
	await(t, "some charges", func() bool { return accepted.Load() > 50 })
	move(from, to)
	before := accepted.Load()
	await(t, "more charges", func() bool { return accepted.Load() > min(before+50, most-1) })
	move(to, from)
	await(t, "the limit", func() bool {
		limits, err := m.Peek(ctx, subject, "standard")
		return err == nil && limits[0].Remaining == 0
	})
	close(stop)
	group.Wait()
	if got := accepted.Load(); got > most || got < most-lost.Load() {
		t.Errorf("%d accepted, %d without an answer, and the limit is %d", got, lost.Load(), most)
	}
	t.Logf("%d accepted, %d without an answer", accepted.Load(), lost.Load())
}

func TestRedisCharges(t *testing.T) {
	m := newRedis(t, testURL(t, "TEST_REDIS_URL"), newPolicy(t, limittest.Long, 1<<30), nil)
	subject, one := "limittest-"+rand.Text(), limit.Units{limit.SimplePrice: 1}
	if allocs := testing.AllocsPerRun(300, func() { _, _ = m.Charge(t.Context(), subject, "standard", one) }); allocs > 30 {
		t.Errorf("%v allocations", allocs)
	} else {
		t.Logf("%v allocations", allocs)
	}
}

// BenchmarkRedis has one caller wait for each charge, or many at once: with a meter in common, whose charges share round
// trips, and with one each, whose do not.
func BenchmarkRedis(b *testing.B) {
	for _, variable := range variables {
		for _, c := range []struct {
			callers int
			common  bool
		}{{1, true}, {8, false}, {8, true}, {32, true}, {64, false}, {64, true}, {256, false}, {256, true}} {
			b.Run(fmt.Sprintf("%s/callers=%d/common=%v", variable, c.callers, c.common), func(b *testing.B) {
				url, o := patient(testURL(b, variable))
				client, p, subject := open(b, url), newPolicy(b, limittest.Long, 1<<30), "limittest-"+rand.Text()
				meters := make([]*limit.Redis, c.callers)
				for i := range meters {
					if meters[i] = meters[0]; i == 0 || !c.common {
						meters[i] = limit.NewRedis(client, p, o)
					}
				}
				if _, err := meters[0].Peek(b.Context(), subject, "standard"); err != nil {
					b.Fatal(err)
				}
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ReportAllocs()
				b.ResetTimer()
				before := cpu(b)
				var group sync.WaitGroup
				for i, m := range meters {
					group.Go(func() {
						for own := fmt.Sprint(subject, i); left.Add(-1) >= 0; {
							if _, err := m.Charge(b.Context(), own, "standard", limit.Units{limit.SimplePrice: 1}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				group.Wait()
				b.StopTimer()
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
				var operations, trips uint64
				if c.common {
					meters = meters[:1]
				}
				for _, m := range meters {
					operations, trips = operations+m.Stats().Operations, trips+m.Stats().RoundTrips
				}
				b.ReportMetric(float64(operations)/float64(trips), "ops/trip")
			})
		}
	}
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
