package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/market"
)

// Leases are [market.Leases] in Redis, which replicas share. A lease is the key lease:<key>. While it is held its value is
// h and the holder's token, and its expiry is put off again and again; a holder that dies loses it leaseTTL later. When the
// work is done the value is d for doneTTL: whoever claims it then is told that there may be an answer by now.
type Leases struct{ *Redis }

const (
	leaseTTL = 3 * time.Second
	doneTTL  = 5 * time.Second // longer than what lies between a look into the database and the claim that follows
)

// Each script has one key, so that a pipeline of them works on a Cluster too.
const (
	claimScript = `
local v = redis.call('GET', KEYS[1])
if v and string.sub(v, 1, 1) == 'h' then return 0 end
redis.call('SET', KEYS[1], 'h' .. ARGV[1], 'PX', ARGV[2])
if v then return 2 end
return 1`
	renewScript = `
if redis.call('GET', KEYS[1]) == 'h' .. ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`
	releaseScript = `
if redis.call('GET', KEYS[1]) ~= 'h' .. ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], 'd', 'PX', ARGV[2])
return 1`
)

// NewLeases makes Leases on the Redis, with its timeout and its breaker.
func NewLeases(r *Redis) *Leases { return &Leases{r} }

// Claim claims the keys; see [market.Leases].
func (l *Leases) Claim(ctx context.Context, keys []string) ([]market.Claim, func([]string, bool)) {
	token := rand.Text()
	claims := make([]market.Claim, len(keys))
	held := make(map[string]bool, len(keys))
	cmds := l.eval(ctx, keys, claimScript, token, leaseTTL.Milliseconds())
	for i, key := range keys {
		claims[i] = market.Granted // also when Redis is away
		if cmds == nil {
			continue
		}
		switch n, err := cmds[i].(*redis.Cmd).Int(); {
		case err != nil:
		case n == 0:
			claims[i] = market.Held
			continue
		case n == 2:
			claims[i] = market.GrantedAfter
		}
		held[key] = true
	}
	if len(held) == 0 {
		return claims, func([]string, bool) {}
	}
	k := &keeper{leases: l, token: token, held: held}
	k.keep(context.WithoutCancel(ctx))
	return claims, k.release
}

// eval runs the script once for each key; nil when nothing was sent. A command that has an error may have been done.
func (l *Leases) eval(ctx context.Context, keys []string, script string, args ...any) []redis.Cmder {
	cmds := make([]redis.Cmder, len(keys))
	for i, key := range keys {
		cmds[i] = redis.NewCmd(ctx, append([]any{"eval", script, 1, "lease:" + key}, args...)...)
	}
	switch err := l.do(ctx, keys, cmds, len(keys)*len(script)); {
	case err == nil:
		return cmds
	case errors.Is(err, errUnsent):
		return nil
	}
	for i := range cmds { // those are still on their way
		cmds[i] = redis.NewCmd(ctx)
		cmds[i].SetErr(ctx.Err())
	}
	return cmds
}
