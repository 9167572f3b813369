package limit

import (
	"context"
	_ "embed" // for the scripts
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/pipeline"
)

//go:embed window.lua
var windowText string

//go:embed charge.lua
var chargeText string

//go:embed lease.lua
var leaseText string

//go:embed release.lua
var releaseText string

// script is one that the server may have or lack: it forgets them in a restart or a failover.
type script struct{ text, sha string }

var chargeScript, leaseScript, releaseScript = newScript(windowText + chargeText), newScript(windowText + leaseText), newScript(releaseText)

func newScript(text string) *script { return &script{text, redis.NewScript(text).Hash()} }

// once is a command that the client must not send again on its own when an answer fails to come.
type once struct{ *redis.StringCmd }

// NoRetry implements [redis.Cmder].
func (once) NoRetry() bool { return true }

// run is a script's call.
type run struct {
	script *script
	whole  bool // the server lacks it
	args   []any
	cmd    once
}

// reset makes the run one of the script, for the first time.
func (r *run) reset(s *script) { r.script, r.whole = s, false }

// command is the call with what is in args from the third one on: the number of keys, the keys, what the script wants.
// It brings the script's whole text when the server does not have it yet, and no other call of this pipeline does.
func (r *run) command(t *pipeline.Trip, clustered bool) redis.Cmder {
	r.args[0], r.args[1] = "evalsha", r.script.sha
	if r.whole && t.First(r.script) {
		r.args[0], r.args[1] = "eval", r.script.text
	}
	if r.cmd.StringCmd == nil || !same(r.cmd.Args(), r.args) || clustered { // there, a command may remember where it went
		r.cmd.StringCmd = redis.NewStringCmd(context.Background(), r.args...)
	} else {
		r.cmd.SetErr(nil)
		r.cmd.SetVal("")
	}
	return r.cmd
}

// same tells whether the slices are one.
func same(a, b []any) bool { return len(a) == len(b) && &a[0] == &b[0] }

// lacking tells, of an answered call, whether it is to be sent again because the server did not have the script.
func (r *run) lacking() bool {
	if err := r.cmd.Err(); err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return false
	}
	r.whole = true
	return true
}

// outcome is what a script answers first.
type outcome int64

const (
	refused   outcome = 0
	done      outcome = 1
	held      outcome = 2  // refused, but replicas hold units that may come back
	otherTime outcome = -1 // by the server's clock it is another window than it was sent for, or too late
)

// answer is what a script says.
type answer struct {
	outcome outcome
	now     time.Time // by the server's clock
	counts  Units     // of the tier's endpoints
	grants  Units     // what was leased
}

// read reads the answer: each script's has the same form.
func (r *run) read(t *tier) (answer, error) {
	text, err := r.cmd.Result()
	if err != nil {
		return answer{}, err
	}
	var numbers [4 + 2*endpoints]int64 // one more than there may be
	n := 0
	for part := range strings.SplitSeq(text, " ") {
		if n == len(numbers) {
			break
		}
		if numbers[n], err = strconv.ParseInt(part, 10, 64); err != nil {
			return answer{}, fmt.Errorf("the script answered %q", text)
		}
		n++
	}
	a := answer{outcome: outcome(numbers[0]), now: time.Unix(numbers[1], numbers[2]*int64(time.Microsecond))}
	counters := len(t.endpoints)
	switch {
	case n == 3 && a.outcome == otherTime, n == 3+counters, n == 3+2*counters && r.script == leaseScript:
	default:
		return answer{}, fmt.Errorf("the script answered %d numbers", n)
	}
	for i, number := range numbers[3:n] {
		if e := t.endpoints[i%counters]; i < counters {
			a.counts[e] = int(number)
		} else {
			a.grants[e] = int(number)
		}
	}
	return a, nil
}
