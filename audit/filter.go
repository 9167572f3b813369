package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// Filter selects entries; a zero field selects all.
type Filter struct {
	From, To  time.Time // [From, To)
	Level     Level     // exactly this level
	Event     string
	Key       string
	Status    int
	Provider  string
	RequestID string
}

// The forms of what is filtered by, as regular expressions. No value of ours has another, and none of them can be mistaken
// for a path.
const (
	WordPattern = `^[A-Za-z0-9_.-]{1,64}$` // of events and providers
	IDPattern   = `^[A-Za-z0-9_-]{1,64}$`  // of requests' ids
	KeyPattern  = `^[!#-\[\]-z|~]{1,260}$` // of keys' ids: visible ASCII without quote, backslash and braces
)

var (
	wordForm = regexp.MustCompile(WordPattern)
	idForm   = regexp.MustCompile(IDPattern)
	keyForm  = regexp.MustCompile(KeyPattern)
)

// Check names what is wrong with the filter.
func (f *Filter) Check() []fault.Field {
	var bad []fault.Field
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		bad = append(bad, fault.Field{Field: "to", Message: "must be after from"})
	}
	for _, t := range []struct {
		name, value string
		form        *regexp.Regexp
		is          string
	}{
		{"event", f.Event, wordForm, "an event's name: letters, digits and . _ -"},
		{"key", f.Key, keyForm, "a key's id: up to 260 visible ASCII characters"},
		{"provider", f.Provider, wordForm, "a provider's name: letters, digits and . _ -"},
		{"requestId", f.RequestID, idForm, "a request's id: letters, digits and _ -"},
	} {
		if t.value != "" && !t.form.MatchString(t.value) {
			bad = append(bad, fault.Field{Field: t.name, Message: "must be " + t.is})
		}
	}
	if f.Status != 0 && (f.Status < 100 || f.Status > 599) {
		bad = append(bad, fault.Field{Field: "status", Message: "must be an HTTP status"})
	}
	return bad
}

// ranged tells whether the filter selects by time alone.
func (f *Filter) ranged() bool {
	return f.Level == "" && f.Event == "" && f.Key == "" && f.Status == 0 && f.Provider == "" && f.RequestID == ""
}

// holds tells whether all lines of the segment are within the filter's time.
func (f *Filter) holds(s *Segment) bool {
	return (f.From.IsZero() || !s.From.Before(f.From)) && (f.To.IsZero() || s.To.Before(f.To))
}

// matcher is a filter made ready for many lines. Most lines are decided by looking for texts that a line must have.
type matcher struct {
	filter   Filter
	from, to string // as lines have it; "": no bound
	needles  [][]byte
}

func newMatcher(f Filter) *matcher {
	m := &matcher{filter: f}
	bound := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Add(time.Microsecond - 1).UTC().Format(timeLayout) // lines have whole microseconds
	}
	m.from, m.to = bound(f.From), bound(f.To)
	for _, t := range []struct{ name, value string }{
		{"level", string(f.Level)}, {"event", f.Event}, {"key_id", f.Key}, {"provider", f.Provider}, {"request_id", f.RequestID},
	} {
		if t.value != "" {
			m.needles = append(m.needles, fmt.Appendf(nil, `"%s":"%s"`, t.name, t.value))
		}
	}
	if f.Status != 0 {
		m.needles = append(m.needles, []byte(`"status":`+strconv.Itoa(f.Status)))
	}
	return m
}

// match tells whether the filter selects the line.
func (m *matcher) match(line []byte) bool {
	if m.from != "" || m.to != "" {
		if len(line) < len(timePrefix)+len(timeLayout) {
			return false
		}
		at := line[len(timePrefix) : len(timePrefix)+len(timeLayout)]
		if m.from != "" && string(at) < m.from || m.to != "" && string(at) >= m.to {
			return false
		}
	}
	for _, needle := range m.needles {
		if !bytes.Contains(line, needle) {
			return false
		}
	}
	return len(m.needles) == 0 || m.confirm(line)
}

// confirm reads the line: the texts may stand within another one.
func (m *matcher) confirm(line []byte) bool {
	var e struct {
		Level     Level           `json:"level"`
		Event     string          `json:"event"`
		KeyID     string          `json:"key_id"`
		Status    json.RawMessage `json:"status"`
		Provider  string          `json:"provider"`
		RequestID string          `json:"request_id"`
	}
	if err := json.Unmarshal(line, &e); err != nil && !isTypeError(err) {
		return false
	}
	is := func(want, have string) bool { return want == "" || want == have }
	f := &m.filter
	return is(string(f.Level), string(e.Level)) && is(f.Event, e.Event) && is(f.Key, e.KeyID) && is(f.Provider, e.Provider) &&
		is(f.RequestID, e.RequestID) && (f.Status == 0 || string(e.Status) == strconv.Itoa(f.Status))
}
