package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// headroom is how much garbage there may be before it is collected, whatever the size of what is alive.
const headroom = 32 << 20

// The collector's percentages between which the headroom is sought: a heap of very much may have less, and one of very little
// more of it.
const (
	leastGCPercent, mostGCPercent = 50, 400
)

// keepHeadroom has the collector run when there is so much garbage, rather than as much as there is alive: of a small heap,
// collections would otherwise come several times a second and cost a tenth of the CPU, and a large one would take
// twice its room. It does nothing where GOGC or GOMEMLIMIT say what the operator wants.
func keepHeadroom() (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	var stopped atomic.Bool
	current := 100
	var watch func()
	watch = func() {
		// A finalizer runs once after each collection, when the object is made anew each time.
		runtime.SetFinalizer(&struct{ _ [16]byte }{}, func(any) {
			if stopped.Load() {
				return
			}
			if next := gcPercent(liveHeap()); next*10 < current*9 || next*10 > current*11 { // each change stops the world
				current = next
				debug.SetGCPercent(next)
			}
			watch()
		})
	}
	watch()
	return func() {
		stopped.Store(true)
		debug.SetGCPercent(100)
	}
}

// gcPercent is what leaves the headroom on a heap of so many bytes.
func gcPercent(live uint64) int {
	return int(min(max(headroom*100/max(live, 1), leastGCPercent), mostGCPercent))
}

// liveHeap is what the last collection found alive.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
