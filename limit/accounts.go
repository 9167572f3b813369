package limit

import (
	"strconv"
	"sync"
)

// accounts are those of the window that is charged now.
type accounts struct {
	mu    sync.RWMutex
	redis *Redis
	start int64
	known map[name]*account
}

type name struct {
	subject string
	tier    *tier
}

// maxAccounts bounds what is kept, to a few MB. Where more subjects than that come in one window, it begins anew: what was leased
// for one of those is given back all the same.
const maxAccounts = 4096

func newAccounts(r *Redis) accounts { return accounts{redis: r, known: map[name]*account{}} }

// at is the subject's account in the window that begins at start.
func (k *accounts) at(subject string, t *tier, start int64) *account {
	of := name{subject, t}
	k.mu.RLock()
	a, ok := k.known[of]
	ok = ok && k.start == start
	k.mu.RUnlock()
	if ok {
		return a
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.start != start || len(k.known) >= maxAccounts {
		k.start = start
		clear(k.known)
	}
	if a = k.known[of]; a == nil {
		a = newAccount(k.redis, subject, t, start)
		k.known[of] = a
	}
	return a
}

// in is the subject's account in the window that begins at start: mostly this one.
func (a *account) in(start int64) *account {
	if a.start == start {
		return a
	}
	return a.redis.accounts.at(a.subject, a.tier, start)
}

// all are the accounts that are kept.
func (k *accounts) all() []*account {
	k.mu.RLock()
	defer k.mu.RUnlock()
	all := make([]*account, 0, len(k.known))
	for _, a := range k.known {
		all = append(all, a)
	}
	return all
}

// chargeArgs are the arguments of charge.lua for a charge of nothing: all but the time until which it is waited for.
func chargeArgs(r *Redis, subject string, t *tier, start int64) []any {
	n := len(t.endpoints)
	args := make([]any, 0, unitsArg(n, n))
	args = append(args, nil, nil, n+1)
	args = append(args, keyArgs(subject, t, start)...)
	args = append(args, r.policy.window, start, nil)
	for _, e := range t.endpoints {
		args = append(args, t.max[e], 0)
	}
	return args
}

// untilArg and unitsArg are where, with n counters, the time and the units of the i-th one stand.
func untilArg(n int) int    { return 3 + n + 1 + 2 }
func unitsArg(n, i int) int { return 3 + n + 1 + 3 + 2*i + 1 }

// keyArgs are the keys of all scripts.
func keyArgs(subject string, t *tier, start int64) []any {
	tag, suffix := "rate:{"+subject+"}:", ":"+strconv.FormatInt(start, 10)
	keys := make([]any, 0, len(t.endpoints)+1)
	for _, e := range t.endpoints {
		keys = append(keys, tag+e.String()+suffix)
	}
	return append(keys, tag+"leases"+suffix)
}
