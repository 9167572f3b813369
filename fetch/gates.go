package fetch

import "github.com/coingraph/coingraph/fault"

// Gate says whether calls to a provider are let through.
type Gate struct {
	Provider string
	State    GateState
}

// GateState is open, paused or shut.
type GateState string

// The states: a provider that asked for a pause gets no call until it is over, one that is shut is only probed.
const (
	GateOpen   GateState = "open"
	GatePaused GateState = "paused"
	GateShut   GateState = "shut"
)

// Gates are the providers' gates as they stand now, in order of preference.
func (s *Source) Gates() []Gate {
	gates := make([]Gate, len(s.callers))
	for i, c := range s.callers {
		gates[i] = Gate{c.Name(), c.gate.state()}
	}
	return gates
}

func (g *gate) state() GateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.why == nil:
		return GateOpen
	case g.why.Kind == fault.UpstreamRateLimited:
		return GatePaused
	}
	return GateShut
}
