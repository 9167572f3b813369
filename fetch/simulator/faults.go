package simulator

import (
	"errors"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Fault is what becomes of requests instead of the right answer. Without Status and Body the right answer is taken and
// damaged as the rest says.
type Fault struct {
	// Match is a regular expression over path and query, of CoinGecko's over what is below /api/v3: "^/simple/price",
	// "bitcoin/market_chart\?.*eur", "^/v1/btc/". "" matches all.
	Match string
	// Times is how many requests it is for; 0: all until cleared.
	Times int

	// Status answers with a status and the body that the API has for it (429, 5xx and others), or Body.
	Status int
	// Header is added to the answer's, in place of values that are there; an empty value takes a header away.
	Header map[string]string
	// Body is the body in place of the right one.
	Body []byte
	// HTML answers 200 with a page, as captchas of a CDN come.
	HTML bool
	// Redirect answers 302 with the location.
	Redirect string

	// Find and Replace change the body: a regular expression and what to put for each match ($1 …).
	Find, Replace string
	// Rewrite changes the body at will.
	Rewrite func(body []byte) []byte
	// Pad adds so many blanks behind the body.
	Pad int
	// Gzip compresses the answer, whatever the client takes.
	Gzip bool

	// Delay is how long the answer takes to begin.
	Delay time.Duration
	// Hang never answers: it waits until the client goes away or the faults are cleared, then drops the connection.
	Hang bool
	// Truncate cuts the body to so many bytes, if it is longer and the number is positive. The framing is honest, as if
	// that was all, unless Reset is set too.
	Truncate int
	// Reset resets the connection: before the answer, or after the bytes that Truncate leaves.
	Reset bool
	// Drip sends a byte every 100 ms.
	Drip bool
}

type faults struct {
	mu      sync.Mutex
	active  []*activeFault // the first that matches is taken
	gates   []*gate
	cleared chan struct{} // closed and replaced when the faults are cleared
}

type activeFault struct {
	Fault
	match, find *regexp.Regexp
	left        int // when Times is not 0
}

type gate struct {
	match *regexp.Regexp
	open  chan struct{}
}

// Inject adds a fault behind those that are active: of several that match a request the oldest is taken. The error is
// that of a wrong regular expression or number.
func (s *Simulator) Inject(f Fault) error {
	match, err := regexp.Compile(f.Match)
	if err != nil {
		return err
	}
	find, err := regexp.Compile(f.Find)
	if err != nil {
		return err
	}
	if f.Times < 0 || f.Pad < 0 || f.Truncate < 0 || f.Delay < 0 || f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return errors.New("simulator: a number of the fault is out of range")
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = append(s.faults.active, &activeFault{f, match, find, f.Times})
	return nil
}

// Clear takes all faults away, and lets go of the requests that hang.
func (s *Simulator) Clear() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = nil
	close(s.faults.cleared)
	s.faults.cleared = make(chan struct{})
}

// take is the fault that a request meets.
func (f *faults) take(q *request) (*activeFault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, a := range f.active {
		if !a.match.MatchString(q.target) {
			continue
		}
		if a.Times > 0 {
			if a.left--; a.left == 0 {
				f.active = slices.Delete(f.active, i, i+1)
			}
		}
		return a, true
	}
	return nil, false
}

func (f *faults) clearing() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cleared
}

// Hold makes requests whose target matches the regular expression wait, after they were counted, until release is
// called or their client goes away. It panics on a wrong expression.
func (s *Simulator) Hold(match string) (release func()) {
	g := &gate{regexp.MustCompile(match), make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.gates = append(s.faults.gates, g)
	return sync.OnceFunc(func() {
		s.faults.mu.Lock()
		defer s.faults.mu.Unlock()
		s.faults.gates = slices.DeleteFunc(s.faults.gates, func(o *gate) bool { return o == g })
		close(g.open)
	})
}

// passGates waits for the gates that match; false: the client went away.
func (f *faults) passGates(q *request) bool {
	f.mu.Lock()
	gates := slices.Clone(f.gates)
	f.mu.Unlock()
	for _, g := range gates {
		if !g.match.MatchString(q.target) {
			continue
		}
		select {
		case <-g.open:
		case <-q.Context().Done():
			return false
		}
	}
	return true
}
