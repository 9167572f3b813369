package pipeline_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/limit/limittest"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/pipeline"
)

// errServed makes a road the end of it: the commands have succeeded.
var errServed = errors.New("served")

// road sees the pipelines of a client go by.
type road struct {
	mu    sync.Mutex
	sizes []int                                               // of the pipelines so far, in commands
	stop  func(ctx context.Context, cmds []redis.Cmder) error // nil, or what happens to a pipeline before it goes on
}

func (r *road) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *road) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (r *road) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.mu.Lock()
		r.sizes = append(r.sizes, len(cmds))
		stop := r.stop
		r.mu.Unlock()
		if stop != nil {
			switch err := stop(ctx, cmds); {
			case errors.Is(err, errServed):
				return nil
			case err != nil:
				for _, cmd := range cmds {
					cmd.SetErr(err)
				}
				return err
			}
		}
		return next(ctx, cmds)
	}
}

// since gives the sizes of the pipelines after the first ones.
func (r *road) since(first int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]int(nil), r.sizes[first:]...)
}

func (r *road) setStop(f func(context.Context, []redis.Cmder) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = f
}

// house is a meter and a cache on lanes in common, with the key "a" in the cache and the script on the server.
type house struct {
	road
	meter   *limit.Redis
	cache   *cache.Redis
	subject string
	keys    []string
}

func newHouse(t *testing.T, url string, timeout time.Duration) *house {
	t.Helper()
	h := &house{subject: "pipelinetest-" + rand.Text(), keys: []string{"pipelinetest:" + rand.Text()}}
	client := open(t, url)
	client.AddHook(&h.road)
	policy, err := limit.NewPolicy(limittest.Long, []limit.Rule{{Tier: "standard", Endpoint: limit.Every, Max: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	lanes := pipeline.New(client, pipeline.Options{Timeout: timeout})
	h.meter = limit.NewRedis(client, policy, limit.RedisOptions{Lanes: lanes})
	h.cache = cache.NewRedis(client, cache.RedisOptions{Lanes: lanes, Log: discard})
	await(t, "the first answers", func() bool {
		h.cache.Set(t.Context(), []market.CacheEntry{{Key: h.keys[0], Value: []byte("1"), TTL: time.Minute}})
		return h.charge(t.Context()) == nil && h.has(t.Context(), h.keys)
	})
	return h
}

func (h *house) charge(ctx context.Context) error {
	_, err := h.meter.Charge(ctx, h.subject, "standard", limit.Units{limit.SimplePrice: 1})
	return err
}

func (h *house) has(ctx context.Context, keys []string) bool {
	return string(h.cache.Get(ctx, keys)[0].Value) == "1"
}

func TestALookUpRidesWithTheCharge(t *testing.T) {
	h := newHouse(t, testURL(t, "TEST_REDIS_URL")+unhurried, patience)
	before := len(h.since(0))
	wait := h.cache.Begin(t.Context(), h.keys)
	if got := h.since(before); len(got) != 0 {
		t.Errorf("what was only begun was sent: %v", got)
	}
	if err := h.charge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if hits := wait(); string(hits[0].Value) != "1" {
		t.Errorf("got %v", hits)
	}
	if got := h.since(before); len(got) != 1 || got[0] != 2 {
		t.Errorf("pipelines of %v commands, want one of two", got)
	}
	if hits := h.cache.Begin(t.Context(), h.keys)(); string(hits[0].Value) != "1" {
		t.Errorf("without a charge: got %v", hits)
	}
	if got := h.since(before); len(got) != 2 || got[1] != 1 {
		t.Errorf("pipelines of %v commands", got)
	}
}

// TestLookUpsThatNobodyWaitsFor leave nothing behind, are no faults, and spoil nothing for those who wait.
func TestLookUpsThatNobodyWaitsFor(t *testing.T) {
	h := newHouse(t, testURL(t, "TEST_REDIS_URL")+unhurried, patience)
	routines, before := runtime.NumGoroutine(), len(h.since(0))
	first := h.cache.Begin(t.Context(), h.keys)
	ended, cancel := context.WithCancel(t.Context())
	for i := range 1000 {
		ctx := t.Context()
		if i%10 == 9 {
			ctx = ended
		}
		h.cache.Begin(ctx, h.keys)
	}
	cancel()
	if err := h.charge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.since(before); len(got) != 1 || got[0] < 2 || got[0] > 65 {
		t.Errorf("pipelines of %v commands, want one with as many as may wait for it", got)
	}
	if hits := first(); string(hits[0].Value) != "1" {
		t.Errorf("the first one got %v", hits)
	}
	if n := runtime.NumGoroutine(); n > routines+2 { // the client's own may come and go
		t.Errorf("%d goroutines became %d", routines, n)
	}
	if s := h.cache.Stats(); s.Faults != 0 || s.Hits != 2 {
		t.Errorf("got %+v", s)
	}
}

// TestOneBreaker: what charges have found out of a server holds for look-ups too, and a look-up that went down with its
// charge is no fault.
func TestOneBreaker(t *testing.T) {
	s := newServer(t)
	h := newHouse(t, s.url(), 100*time.Millisecond)
	s.signal(t, syscall.SIGSTOP)
	await(t, "the breaker", func() bool {
		h.cache.Begin(t.Context(), h.keys)
		if err := h.charge(t.Context()); !fault.Is(err, fault.StoreUnavailable) {
			t.Fatalf("got %v", err)
		}
		return h.meter.Stats().Open
	})
	if s := h.cache.Stats(); s.Faults != 0 || !s.Open {
		t.Errorf("got %+v", s)
	}
	for range 100 {
		if h.has(t.Context(), h.keys) {
			t.Fatal("a hit from a hung server")
		}
	}
	if s := h.cache.Stats(); s.Skipped == 0 {
		t.Errorf("got %+v", s)
	}
	s.signal(t, syscall.SIGCONT)
	await(t, "the server to be back", func() bool { return h.has(t.Context(), h.keys) && h.charge(t.Context()) == nil })
}

// TestALargeCallGoesAlone, and nobody waits for it.
func TestALargeCallGoesAlone(t *testing.T) {
	h := newHouse(t, testURL(t, "TEST_REDIS_URL")+unhurried, patience)
	const large = 1000
	under, release := make(chan struct{}, 2), make(chan struct{})
	h.setStop(func(_ context.Context, cmds []redis.Cmder) error {
		if len(cmds) == 1 && (len(cmds[0].Args()) > large || cmds[0].Name() == "set") {
			under <- struct{}{}
			<-release
		}
		return nil
	})
	keys := make([]string, large)
	for i := range keys {
		keys[i] = h.keys[0]
	}
	var group sync.WaitGroup
	group.Go(func() {
		for _, hit := range h.cache.Get(t.Context(), keys) {
			if string(hit.Value) != "1" {
				t.Errorf("got %q", hit.Value)
				return
			}
		}
	})
	group.Go(func() {
		h.cache.Set(t.Context(), []market.CacheEntry{{Key: h.keys[0] + "large", Value: make([]byte, 1<<20), TTL: time.Minute}})
	})
	<-under
	<-under
	for range 10 {
		if !h.has(t.Context(), h.keys) {
			t.Error("a miss")
		}
	}
	close(release)
	group.Wait()
}

// TestASlowPipelineHoldsUpNobodyForLong: there are others beside it, and none has more than its share.
func TestASlowPipelineHoldsUpNobodyForLong(t *testing.T) {
	h := newHouse(t, testURL(t, "TEST_REDIS_URL")+unhurried, patience)
	before, slow, release := len(h.since(0)), true, make(chan struct{})
	var mu sync.Mutex
	h.setStop(func(context.Context, []redis.Cmder) error {
		mu.Lock()
		first := slow
		slow = false
		mu.Unlock()
		if first {
			<-release
		}
		return nil
	})
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = h.keys[0]
	}
	answers := make(chan bool, 1000)
	get := func() { answers <- h.has(t.Context(), keys) }
	go get()
	await(t, "the slow pipeline", func() bool { return len(h.since(before)) == 1 })
	asked := 1
	await(t, "answers beside it", func() bool {
		for range 20 {
			asked++
			go get()
		}
		return len(answers) > 0
	})
	close(release)
	for range asked {
		if !<-answers {
			t.Error("a miss")
		}
	}
	for _, n := range h.since(before) {
		if n > 512 {
			t.Errorf("a pipeline of %d commands", n)
		}
	}
}

// errand is a job of one command.
type errand struct {
	pipeline.Call
	err error
}

func (e *errand) Prepare(_ *pipeline.Trip, cmds []redis.Cmder) []redis.Cmder {
	return append(cmds, redis.NewStatusCmd(context.Background(), "ping"))
}

func (e *errand) Settle(_ *pipeline.Trip, cmds []redis.Cmder) bool {
	e.err = cmds[0].Err()
	return false
}

func (e *errand) Fail(err error) { e.err = err }

// TestTheTimeoutHoldsInTheQueueToo: what a call has waited for others is time that its own pipeline does not get.
func TestTheTimeoutHoldsInTheQueueToo(t *testing.T) {
	for _, c := range []struct {
		first, wait time.Duration // how long the first pipeline takes, and how long the call behind it waits altogether
		want        error
	}{
		{first: 50 * time.Millisecond, wait: 60 * time.Millisecond},                         // its own takes 10 ms
		{first: 90 * time.Millisecond, wait: 90 * time.Millisecond, want: pipeline.ErrLate}, // not worth the while
		{first: time.Hour, wait: 100 * time.Millisecond, want: pipeline.ErrAway},            // the whole time has passed
		{first: 70 * time.Millisecond, wait: 80 * time.Millisecond},                         // just in time
		{first: -1, wait: 20 * time.Millisecond},                                            // the first fails soon
	} {
		t.Run(fmt.Sprint(c.first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
				defer client.Close()
				n := 0
				client.AddHook(&road{stop: func(ctx context.Context, _ []redis.Cmder) error {
					n++
					takes, result := 10*time.Millisecond, errServed
					switch {
					case n == 1 && c.first > 0:
						takes = c.first
					case n == 1:
						result = errors.New("reset")
					}
					select {
					case <-time.After(takes):
						return result
					case <-ctx.Done():
						return ctx.Err()
					}
				}})
				lane := pipeline.New(client, pipeline.Options{}).For(t.Context(), "")
				go func() {
					first := new(errand)
					first.Reset(first, 1)
					_ = lane.Do(t.Context(), &first.Call)
				}()
				synctest.Wait()
				start, second := time.Now(), new(errand)
				second.Reset(second, 1)
				if err := lane.Do(t.Context(), &second.Call); err != nil || !errors.Is(second.err, c.want) {
					t.Errorf("%v, %v, want %v", err, second.err, c.want)
				}
				if took := time.Since(start); took != c.wait {
					t.Errorf("it took %v, want %v", took, c.wait)
				}
			})
		})
	}
}
