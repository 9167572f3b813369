package quota

import (
	"math"
	"time"
)

// Wait is how long a lane's calls are held up until the last of so many may be made, if nobody else makes any: nothing, while
// they fit into what is left of the windows.
func (s Status) Wait(lane Lane, calls int) time.Duration {
	longest := time.Duration(0)
	for _, w := range s.pooled(lane) {
		if over := calls - w.free; over > 0 {
			windows := math.Ceil(float64(over)/float64(w.most)*slices) / slices
			longest = max(longest, time.Duration(windows*float64(w.per)))
		}
	}
	return longest
}

// Budget is how many calls a lane may make in the time to come without taking more of any window than that time's part of it,
// or than is left; false: there is no limit.
func (s Status) Budget(lane Lane, over time.Duration) (calls int, limited bool) {
	calls = math.MaxInt
	for _, w := range s.pooled(lane) {
		part := float64(w.most) * over.Seconds() / w.per.Seconds()
		if w.per > over {
			part = min(part, float64(w.free))
		}
		calls, limited = min(calls, int(part)), true
	}
	return calls, limited
}

// pooledWindow is a window of all keys together, as a lane sees it.
type pooledWindow struct {
	per        time.Duration
	most, free int
}

func (s Status) pooled(lane Lane) []pooledWindow {
	var all []pooledWindow
	for _, k := range s.Keys {
		for i, w := range k.Windows {
			if i == len(all) {
				all = append(all, pooledWindow{per: w.Per})
			}
			all[i].most += w.inLane(lane)
			all[i].free += max(0, w.inLane(lane)-w.Used)
		}
	}
	return all
}
