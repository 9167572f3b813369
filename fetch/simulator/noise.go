package simulator

import (
	"math"

	"github.com/cespare/xxhash/v2"
)

// stream is an endless row of pseudo-random numbers, each of which can be had by its index.
type stream uint64

// newStream is the stream of a name under a seed.
func newStream(seed uint64, name string) stream {
	return stream(mix(mix(seed) ^ xxhash.Sum64String(name)))
}

// mix is the finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection whose every output bit depends on every
// input bit.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// bits are the 64 random bits at an index.
func (s stream) bits(i int64) uint64 { return mix(uint64(s) ^ mix(uint64(i))) }

// below is a number of [0, n) at an index.
func (s stream) below(i, n int64) int64 { return int64(s.bits(i) % uint64(n)) }

// unit is a number of [0, 1) at an index.
func (s stream) unit(i int64) float64 { return float64(s.bits(i)>>11) / (1 << 53) }

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// walk looks like a random walk with a standard deviation of about one a day, and yet has any of its values at once:
// smooth noise of several periods, the longer the stronger. It cannot run away.
type walk [len(periods)]wave

// periods are in ms, each about four times the one before.
var periods = [...]int64{
	2 * minute, 8 * minute, 30 * minute, 2 * hour, 8 * hour,
	30 * hour, 5 * day, 20 * day, 80 * day, 320 * day, 1280 * day,
}

// longest is the period (ms) from which on the waves no longer grow.
const longest = 60 * day

type wave struct {
	stream
	period, phase int64
	weight        float64
}

func newWalk(s stream) walk {
	var w walk
	for i, p := range periods {
		own := stream(s.bits(int64(i)))
		weight := math.Sqrt(float64(min(p, longest)) / float64(day))
		w[i] = wave{own, p, own.below(-1, p), weight}
	}
	return w
}

// at is the walk's value at an instant (Unix ms, not negative).
func (w *walk) at(t int64) float64 {
	sum := 0.0
	for i := range w {
		sum += w[i].at(t)
	}
	return sum
}

// at goes smoothly from one random number to the next, one a period.
func (w *wave) at(t int64) float64 {
	t += w.phase
	i := t / w.period
	f := float64(t-i*w.period) / float64(w.period)
	a, b := w.unit(i), w.unit(i+1)
	return w.weight * (2*(a+(b-a)*f*f*(3-2*f)) - 1)
}
