package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 8 << 20: 400, 16 << 20: 200, 32 << 20: 100, 64 << 20: 50, 1 << 30: 50} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d alive: %d, want %d", live, got, want)
		}
	}
}

// TestKeepHeadroom: after a collection, the next one is due when there is so much garbage; and it can be ended.
func TestKeepHeadroom(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	stop := keepHeadroom()
	percent := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	awaitOn(t, new(safeBuffer), 20*time.Second, "another percentage", func() bool {
		runtime.GC()
		return percent() != 100 || gcPercent(liveHeap()) < 110 && gcPercent(liveHeap()) > 90
	})
	stop()
	if got := percent(); got != 100 {
		t.Errorf("afterwards it is %d", got)
	}
}
