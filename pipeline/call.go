package pipeline

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Job is what a caller wants done. Its methods are called by one goroutine at a time, which is mostly not the caller's;
// what they leave behind may be read when [Lane.Do] has returned nil.
type Job interface {
	// Prepare appends the commands of the job to those of a pipeline. It is called anew for each attempt.
	Prepare(t *Trip, cmds []redis.Cmder) []redis.Cmder
	// Settle reads the answers of those commands, or their errors, and tells whether there must be another attempt.
	Settle(t *Trip, cmds []redis.Cmder) (again bool)
	// Fail is called instead, or after the last attempt: there will be no answer.
	Fail(err error)
}

// Trip is one pipeline on its way.
type Trip struct {
	// Sent and Answered are when it left and when it was back, Until when nobody waits for it any more.
	Sent, Answered, Until time.Time

	marks []any
}

// First tells whether the pipeline has not been marked with this yet, and marks it. The mark is a pointer of whoever asks.
func (t *Trip) First(mark any) bool {
	if slices.Contains(t.marks, mark) {
		return false
	}
	t.marks = append(t.marks, mark)
	return true
}

// Call is a job's place in a [Lane]. The zero Call becomes one with Reset.
type Call struct {
	job    Job
	weight int
	done   chan struct{} // gets one element when the job is settled or has failed
	left   atomic.Bool   // nobody waits any more
	probe  bool
	end    int // of its commands, among those of the pipeline

	// of the lane's mutex
	queued bool
	since  time.Time
	parker context.Context
}

// Reset makes the call ready for the job. The weight is the number of its commands, and one more for each [WeightBytes]
// that they send. A call may be used again once Do has returned nil.
func (c *Call) Reset(job Job, weight int) {
	if c.done == nil {
		c.done = make(chan struct{}, 1)
	}
	c.job, c.weight, c.probe, c.queued = job, weight, false, false
}

// WeightBytes are the bytes that weigh as much as a command.
const WeightBytes = 256

// Probe makes the call the one whose answer closes the breaker or opens it again: for who has the breaker's permit.
func (c *Call) Probe() { c.probe = true }

// fail gives the call back without an answer.
func (c *Call) fail(err error) {
	c.job.Fail(err)
	c.done <- struct{}{}
}
