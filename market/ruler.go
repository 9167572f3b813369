package market

import (
	"strconv"
	"sync/atomic"
	"time"
)

// A ruler has the texts of an interval's grid instants, one behind the other. All series stand on the same few grids, and
// the texts of one grid have the same width for centuries: so any window of any series is a part of one text, found by
// arithmetic, where a cache by window would need keys, a bound and something to evict.
//
// The text is made in lengths when one is first asked for, and then stays. That is at most 5 MB by 2027, once somebody has
// asked for all hours since the first block, in both forms.
type ruler struct {
	step    int64
	width   int // of one text in bytes
	render  func(b []byte, at int64) []byte
	lengths []atomic.Pointer[[]byte] // from genesis on
}

const (
	rulerLength = 1024 // instants
	numberWidth = len(",1767225600000")
	wordWidth   = len("2026-01-01T00:00:00Z")
)

// rulerEnd is where rulers end: what lies behind, or before [genesis], is rendered for each answer.
var rulerEnd = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// The rulers of the intervals that charts have: in Unix ms, each with a comma before it, and as RFC 3339 in UTC.
var (
	numberRulers = rulers(numberWidth, func(b []byte, at int64) []byte { return strconv.AppendInt(append(b, ','), at, 10) })
	wordRulers   = rulers(wordWidth, func(b []byte, at int64) []byte { return time.UnixMilli(at).UTC().AppendFormat(b, time.RFC3339) })
)

func rulers(width int, render func(b []byte, at int64) []byte) [len(intervals)]*ruler {
	var all [len(intervals)]*ruler
	for i := range all {
		r := &ruler{step: intervals[i].step.Milliseconds(), width: width, render: render}
		if intervals[i].offeredToUser {
			r.lengths = make([]atomic.Pointer[[]byte], (rulerEnd-genesis)/r.step/rulerLength)
		}
		all[i] = r
	}
	return all
}

// from gives the texts of n instants from one on, one at least and none at or after the end. They are shared and must not
// be changed.
func (r *ruler) from(at, end int64) (texts []byte, n int) {
	i := (at - genesis) / r.step
	length := i / rulerLength
	if at < genesis || (at-genesis)%r.step != 0 || length >= int64(len(r.lengths)) {
		return r.render(nil, at), 1
	}
	i %= rulerLength
	n = int(min((end-at)/r.step, rulerLength-i))
	return r.length(length)[int(i)*r.width : (int(i)+n)*r.width], n
}

func (r *ruler) length(index int64) []byte {
	if made := r.lengths[index].Load(); made != nil {
		return *made
	}
	text := make([]byte, 0, rulerLength*r.width)
	at := genesis + index*rulerLength*r.step
	for range rulerLength {
		text = r.render(text, at)
		at += r.step
	}
	r.lengths[index].Store(&text) // whoever makes it at the same time makes the same
	return text
}
