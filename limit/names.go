package limit

import (
	"strconv"
	"sync"
)

// names keeps the arguments of the script that the charges of a subject have in common, for the window that is charged now.
type names struct {
	mu    sync.RWMutex
	start int64
	known map[name][]any
}

type name struct {
	subject string
	tier    *tier
}

// maxNames bounds what is kept, to a few MB. Where more subjects than that come in one window, it begins anew.
const maxNames = 4096

func newNames() names { return names{known: map[name][]any{}} }

// args are the arguments for the subject's charge of nothing in the window that begins at start: all but the time until
// which it is waited for. They must not be changed.
func (k *names) args(r *Redis, subject string, t *tier, start int64) []any {
	of := name{subject, t}
	k.mu.RLock()
	args, ok := k.known[of]
	ok = ok && k.start == start
	k.mu.RUnlock()
	if ok {
		return args
	}
	args = arguments(r, subject, t, start)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.start != start || len(k.known) >= maxNames {
		k.start = start
		clear(k.known)
	}
	k.known[of] = args
	return args
}

// arguments is the command as charge.lua wants it: the script, the keys, the window, and each counter's maximum and units.
func arguments(r *Redis, subject string, t *tier, start int64) []any {
	n, tag, suffix := len(t.endpoints), "rate:{"+subject+"}:", ":"+strconv.FormatInt(start, 10)
	args := make([]any, 0, unitsArg(n, n))
	args = append(args, "evalsha", r.sha, n)
	for _, e := range t.endpoints {
		args = append(args, tag+e.String()+suffix)
	}
	args = append(args, r.policy.window, start, nil)
	for _, e := range t.endpoints {
		args = append(args, t.max[e], 0)
	}
	return args
}

// untilArg and unitsArg are where, with n counters, the time and the units of the i-th one stand.
func untilArg(n int) int    { return 3 + n + 2 }
func unitsArg(n, i int) int { return 3 + n + 3 + 2*i + 1 }
