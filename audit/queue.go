package audit

import "sync"

// queue is bytes of whole lines between those who log and one who writes. Putting never waits: what does not fit is
// refused.
type queue struct {
	max   int
	ready chan struct{} // holds a token when there is something to take

	mu      sync.Mutex
	buf     []byte
	lines   int
	dropped int64
}

func newQueue(max int) *queue { return &queue{max: max, ready: make(chan struct{}, 1)} }

// put adds a line, or counts it as dropped.
func (q *queue) put(line []byte) {
	q.mu.Lock()
	if len(q.buf)+len(line) > q.max {
		q.dropped++
		q.mu.Unlock()
		return
	}
	first := len(q.buf) == 0
	q.buf = append(q.buf, line...)
	q.lines++
	q.mu.Unlock()
	if first {
		select {
		case q.ready <- struct{}{}:
		default:
		}
	}
}

// take gives all there is and leaves the spare buffer in its place.
func (q *queue) take(spare []byte) (chunk []byte, lines int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	chunk, lines = q.buf, q.lines
	q.buf, q.lines = spare[:0], 0
	return chunk, lines
}

// stats are the bytes that wait, and how many lines were ever dropped.
func (q *queue) stats() (waiting int, dropped int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.buf), q.dropped
}
