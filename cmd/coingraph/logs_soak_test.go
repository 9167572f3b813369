//go:build soak

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSoakExport exports over and over for half a minute while 500 requests come in each second and segments rotate. No
// line may be lost, doubled or cut, and the memory stays flat.
func TestSoakExport(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		underLoad(t, s, 5*time.Second, 500)
		debug.FreeOSMemory()
		before := resident(t)
		underLoad(t, s, 30*time.Second, 500)
		debug.FreeOSMemory()
		after := resident(t)
		t.Logf("resident memory: %d MiB before, %d MiB after, %d goroutines", before>>20, after>>20, runtime.NumGoroutine())
		// The test itself keeps the ids of what was answered, in this process: 15,000 of them are 2 MiB.
		if after > before+32<<20 {
			t.Errorf("resident memory grew from %d to %d MiB", before>>20, after>>20)
		}
	})
}

// resident is the process's resident memory in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("skipped: there is no /proc: ", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
