package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// sample is what was measured at one point of a curve. What is 0 was not measured.
type sample struct {
	X        float64 `json:"x"`
	Label    string  `json:"label,omitempty"`
	CPU      float64 `json:"cpuMicros"` // of the gateways, for a request
	Rate     float64 `json:"requestsPerSecond"`
	P50      float64 `json:"p50Micros"` // at half of that rate
	P99      float64 `json:"p99Micros"`
	Resident float64 `json:"residentMiB"` // of the gateways together, after the load
	Peak     float64 `json:"peakMiB"`

	Sent     float64 `json:"requestBytes"` // of a request on the wire, with its head
	Received float64 `json:"answerBytes"`

	RedisCPU      float64 `json:"redisCPUMicros"` // for a request
	RedisCommands float64 `json:"redisCommands"`
	PostgresCPU   float64 `json:"postgresCPUMicros,omitempty"`

	Own map[string]float64 `json:"own,omitempty"` // what only this curve has
}

// medians has the median of each figure.
func medians(rounds []sample) sample {
	m := rounds[0]
	of := func(figure func(*sample) *float64) {
		var values []float64
		for i := range rounds {
			values = append(values, *figure(&rounds[i]))
		}
		*figure(&m) = median(values)
	}
	for _, figure := range []func(*sample) *float64{
		func(s *sample) *float64 { return &s.CPU }, func(s *sample) *float64 { return &s.Rate },
		func(s *sample) *float64 { return &s.P50 }, func(s *sample) *float64 { return &s.P99 },
		func(s *sample) *float64 { return &s.Resident }, func(s *sample) *float64 { return &s.Peak },
		func(s *sample) *float64 { return &s.Sent }, func(s *sample) *float64 { return &s.Received },
		func(s *sample) *float64 { return &s.RedisCPU }, func(s *sample) *float64 { return &s.RedisCommands },
		func(s *sample) *float64 { return &s.PostgresCPU },
	} {
		of(figure)
	}
	m.Own = maps.Clone(m.Own)
	for name := range m.Own {
		var values []float64
		for i := range rounds {
			values = append(values, rounds[i].Own[name])
		}
		m.Own[name] = median(values)
	}
	return m
}

// spent is what all that works for the gateways has used until now.
type spent struct {
	gateways, redis, postgres time.Duration
	commands                  int64
}

func (g *growth) spent(ctx context.Context, processes []*process) (s spent, err error) {
	for _, p := range processes {
		cpu, err := p.cpu()
		if err != nil {
			return s, err
		}
		s.gateways += cpu
	}
	if s.redis, s.commands, err = g.redis.spent(ctx); err != nil {
		return s, err
	}
	s.postgres, err = g.postgres.spent(ctx)
	return s, err
}

// put fills in what each of n requests cost between two readings.
func (s *sample) put(n int, before, after spent) {
	each := func(d time.Duration) float64 { return micros(d) / float64(max(1, n)) }
	s.CPU, s.RedisCPU, s.PostgresCPU = each(after.gateways-before.gateways), each(after.redis-before.redis), each(after.postgres-before.postgres)
	s.RedisCommands = float64(after.commands-before.commands) / float64(max(1, n))
}

// memory fills in what the gateways have in RAM.
func (s *sample) memory(processes []*process) error {
	s.Resident, s.Peak = 0, 0
	for _, p := range processes {
		resident, err := p.resident()
		if err != nil {
			return err
		}
		peak, err := p.peak()
		if err != nil {
			return err
		}
		s.Resident, s.Peak = s.Resident+resident, s.Peak+peak
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// measure loads the gateways as fast as they go, which says what a request costs, and then at half of that rate, which says
// how long one takes where there is no queue.
func (g *growth) measure(ctx context.Context, targets []target, processes []*process, connections int) (s sample, err error) {
	if _, err := loadAll(ctx, targets, connections, g.duration/4, 0); err != nil { // connections, caches of the CPU
		return s, err
	}
	before, err := g.spent(ctx, processes)
	if err != nil {
		return s, err
	}
	full, err := loadAll(ctx, targets, connections, g.duration, 0)
	if err != nil {
		return s, err
	}
	after, err := g.spent(ctx, processes)
	if err != nil {
		return s, err
	}
	if full.requests == 0 {
		return s, errors.New("no request was answered in time")
	}
	s.put(full.requests, before, after)
	s.Rate = full.rate()
	s.Sent, s.Received = float64(full.sent)/float64(full.requests), float64(full.received)/float64(full.requests)
	// A hundred requests at the least, or a percentile would say nothing.
	rate := s.Rate / 2
	half, err := loadAll(ctx, targets, connections, min(10*time.Second, max(g.duration, time.Duration(100/rate*float64(time.Second)))), rate)
	if err != nil {
		return s, err
	}
	s.P50, s.P99 = micros(half.percentile(0.5)), micros(half.percentile(0.99))
	return s, s.memory(processes)
}

// figures are one figure of all samples.
func figures(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

func ownNames(samples []sample) []string {
	names := make(map[string]bool)
	for _, s := range samples {
		for name := range s.Own {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
