package quota

import (
	"context"
	_ "embed" // for the script
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/fault"
)

// Redis is a [Keeper] that replicas share: on one server, a Sentinel's master, or a Redis Cluster. What is kept of a
// provider are the hashes
//
//	quota:{<provider>}                       its gate
//	quota:{<provider>}:<key id>              a key's gate
//	quota:{<provider>}:<key id>:<length>     a key's calls in a window, by bucket; the length in s
//
// The braces are a cluster's hash tag: all that is a provider's is on one node. A Do is one call of a script, by the
// server's clock: one round trip. A window that is gone, however that came about, is answered as lost.
type Redis struct{ client redis.UniversalClient }

//go:embed quota.lua
var scriptText string

// scriptHash names the script on a server that has it.
var scriptHash = redis.NewScript(scriptText).Hash()

// NewRedis makes a Redis on a client, which stays the caller's to close and must heed contexts.
func NewRedis(client redis.UniversalClient) *Redis { return &Redis{client} }

// Do implements [Keeper].
func (r *Redis) Do(ctx context.Context, p *Pool, req Request) (Answer, error) {
	keys, args := arguments(p, req)
	answer, err := r.run(ctx, "evalsha", scriptHash, keys, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		answer, err = r.run(ctx, "eval", scriptText, keys, args)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("quota: %w", err)
	}
	return read(answer, p)
}

// once is a command that the client must not send again on its own when an answer fails to come: it may have counted.
type once struct{ *redis.Cmd }

// NoRetry implements [redis.Cmder].
func (once) NoRetry() bool { return true }

func (r *Redis) run(ctx context.Context, name, script string, keys, args []any) ([]any, error) {
	whole := append([]any{name, script, len(keys)}, keys...)
	cmd := once{redis.NewCmd(ctx, append(whole, args...)...)}
	_ = r.client.Process(ctx, cmd) // the command has its error
	return cmd.Slice()
}

// arguments are the script's, which says what they are.
func arguments(p *Pool, req Request) (keys, args []any) {
	prefix := "quota:{" + p.Provider + "}"
	keys = append(keys, prefix)
	for _, id := range p.Keys {
		keys = append(keys, prefix+":"+id)
		for _, r := range p.Rates {
			keys = append(keys, prefix+":"+id+":"+strconv.FormatInt(int64(r.Per/time.Second), 10))
		}
	}
	op, seeded := "look", 0
	if req.Seeded {
		seeded = 1
	}
	var own []any
	switch {
	case req.Take:
		op, own = "take", []any{int64(req.Lane) * headstart.Milliseconds()}
	case req.Report != nil:
		rep := req.Report
		op, own = "report", []any{rep.Grant.Key + 1, rep.Grant.keyTurn, rep.Grant.turn, endNames[rep.end], rep.why.String(), ceilMilli(rep.wait)}
	}
	args = append(args, op, p.Probe.Milliseconds(), seeded, len(p.Keys), len(p.Rates), maxFailures, recheck)
	args = append(args, own...)
	for _, r := range p.Rates {
		args = append(args, r.Per.Milliseconds(), r.bucket(), r.Max, r.inLane(req.Lane))
	}
	entries, n := []any{}, 0
	add := func(what string, all []Spent) {
		type place struct {
			key, rate int
			bucket    int64
		}
		calls := make(map[place]int) // a seed has a line for each minute of a month
		for _, s := range all {
			for k, id := range p.Keys {
				for r, rate := range p.Rates {
					if id == s.Key {
						calls[place{k, r, s.At.UnixMilli() / rate.bucket()}] += s.Calls
					}
				}
			}
		}
		for at, c := range calls {
			entries = append(entries, what, at.key+1, at.rate+1, at.bucket, c)
			n++
		}
	}
	if req.Seeded {
		add("seed", req.Seed)
	}
	add("debt", req.Debts)
	return keys, append(append(args, n), entries...)
}

var endNames = [...]string{answered: "answered", failed: "failed", limited: "limited", keyRefused: "keyRefused", blocked: "blocked"}

var errAnswer = errors.New("quota: the script answered something else")

// reader takes the script's answer apart.
type reader struct {
	rest []any
	err  error
}

func (r *reader) number() int64 {
	n, ok := r.next().(int64)
	if !ok {
		r.err = errAnswer
	}
	return n
}

func (r *reader) text() string {
	s, ok := r.next().(string)
	if !ok {
		r.err = errAnswer
	}
	return s
}

func (r *reader) next() any {
	if len(r.rest) == 0 {
		return nil
	}
	v := r.rest[0]
	r.rest = r.rest[1:]
	return v
}

func (r *reader) instant() time.Time { return time.UnixMilli(r.number()).UTC() }

func (r *reader) gate() (g Gate, failures int) {
	why, since, until := r.text(), r.instant(), r.instant()
	failures = int(r.number())
	if why == "" {
		return Gate{}, failures
	}
	kind, _ := fault.KindNamed(why)
	return Gate{true, kind, since, until}, failures
}

func read(answer []any, p *Pool) (Answer, error) {
	r := &reader{rest: answer}
	if r.number() == 0 {
		return Answer{Lost: true}, r.err
	}
	var a Answer
	at := r.instant()
	key := int(r.number()) - 1
	a.Grant = Grant{Key: key, At: at, turn: r.number(), keyTurn: r.number(), clean: r.number() == 1}
	if why, wait := r.text(), r.number(); why != "" {
		a.Refusal = refusal(why, wait)
	}
	a.Change = Change(r.number())
	a.Status = Status{Provider: p.Provider, At: at, Keys: make([]KeyStatus, len(p.Keys))}
	a.Status.Breaker, a.Status.Failures = r.gate()
	for i, id := range p.Keys {
		g, _ := r.gate()
		if g.Why == fault.UpstreamRateLimited && !at.Before(g.Until) {
			g = Gate{} // the pause is over
		}
		status := KeyStatus{ID: id, Gate: g}
		for _, rate := range p.Rates {
			status.Windows = append(status.Windows, Window{rate, int(r.number()), r.instant()})
		}
		a.Status.Keys[i] = status
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = errAnswer
	}
	return a, r.err
}
