package telemetry

import (
	"strconv"
	"time"
)

// Quota is how the budget of calls to a provider stands in one of its windows.
type Quota struct {
	Provider string
	Window   time.Duration // "30/1m" has one of a minute
	Limit    int
	Left     int
}

// Quotas shows the providers' quotas, which are read when they are scraped. What is spent of them, and how fast, is in the
// calls.
func (m *Metrics) Quotas(read func() []Quota) {
	labels := []string{"provider", "window_seconds"}
	show := func(value func(Quota) int) func(Set) {
		return func(set Set) {
			for _, q := range read() {
				set(float64(value(q)), q.Provider, strconv.Itoa(int(q.Window.Seconds())))
			}
		}
	}
	m.Gauges("upstream_quota_limit", "Calls that a provider's quota allows in a window.", labels, show(func(q Quota) int { return q.Limit }))
	m.Gauges("upstream_quota_left", "Calls that are left of it in the current window.", labels, show(func(q Quota) int { return q.Left }))
}
