package jobs

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// Kind is what a run does.
type Kind string

// The kinds.
const (
	Refresh  Kind = "REFRESH"  // keeps what is configured, and what clients asked for lately, new
	Backfill Kind = "BACKFILL" // fills the history of named series
)

// Kinds are all kinds. Runs of different kinds may be worked on at once.
func Kinds() []Kind { return []Kind{Refresh, Backfill} }

// lease is the name of the lease that whoever works on runs of the kind holds.
func (k Kind) lease() string { return "jobs/" + strings.ToLower(string(k)) }

// MarshalGQL writes the GraphQL enum value.
func (k Kind) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(k))) }

// UnmarshalGQL refuses: kinds only go out.
func (k *Kind) UnmarshalGQL(any) error { return fmt.Errorf("a kind of job is not an input") }

// State is how far a run is.
type State string

// The states.
const (
	Queued    State = "QUEUED"
	Running   State = "RUNNING"   // or its replica has just died, and the next one has not taken over yet
	Succeeded State = "SUCCEEDED" // what providers do not offer is no failure
	Failed    State = "FAILED"
	Cancelled State = "CANCELLED"
)

// Finished tells whether nothing more will happen.
func (s State) Finished() bool { return s != Queued && s != Running }

// MarshalGQL writes the GraphQL enum value.
func (s State) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(s))) }

// UnmarshalGQL refuses: states only go out.
func (s *State) UnmarshalGQL(any) error { return fmt.Errorf("a state of a job is not an input") }

// Args are what a run is to do.
type Args struct {
	Assets     []string // of a refresh: filled in when it begins
	Currencies []market.Currency
	Interval   market.Interval
	Days       market.Days
	Force      bool // holes are asked for again that are not due, once a run
}

// storedArgs is how the database has Args.
type storedArgs struct {
	Assets     []string          `json:"assets,omitempty"`
	Currencies []market.Currency `json:"currencies,omitempty"`
	Interval   string            `json:"interval,omitempty"`
	Days       string            `json:"days,omitempty"`
	Force      bool              `json:"force,omitempty"`
}

// MarshalJSON writes what the database keeps.
func (a Args) MarshalJSON() ([]byte, error) {
	s := storedArgs{Assets: a.Assets, Currencies: a.Currencies, Force: a.Force}
	if a.Interval.Valid() {
		s.Interval, s.Days = a.Interval.String(), a.Days.String()
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what the database keeps.
func (a *Args) UnmarshalJSON(b []byte) error {
	var s storedArgs
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*a = Args{Assets: s.Assets, Currencies: s.Currencies, Force: s.Force}
	if s.Interval != "" {
		a.Interval, _ = market.IntervalNamed(s.Interval)
		a.Days = market.ParseDays(s.Days)
	}
	return nil
}

// normal is the arguments with each asset and currency once, ascending: runs of the same arguments are the same.
func (a Args) normal() Args {
	a.Assets = slices.Compact(slices.Sorted(slices.Values(a.Assets)))
	a.Currencies = slices.Compact(slices.Sorted(slices.Values(a.Currencies)))
	return a
}

// Progress is how far a run is, in series (and, of a refresh, one for all prices and one for the catalogue).
type Progress struct {
	Planned    int // 0 until it is planned
	Done       int // with what is below
	Failed     int
	NotOffered int
	Calls      int // to providers, retries included
	Points     int // that were not there before
	Revised    int // that were there with other values
	Problems   []Problem
}

// Problem is why a series could not be had.
type Problem struct {
	Subject string `json:"subject"`
	Reason  string `json:"reason"` // safe to show
}

// maxProblems bounds what a run's row keeps of them.
const maxProblems = 200

// Run is one run of a job.
type Run struct {
	Number       int64
	Kind         Kind
	Args         Args
	Key          string     // the idempotency key; "": none
	ScheduledFor *time.Time // nil: somebody asked for it
	By           string     // who submitted it, as the log names callers
	State        State
	Progress
	CancelRequested bool
	Attempts        int    // how many holders have worked on it
	Replica         string // the last of them
	CreatedAt       time.Time
	StartedAt       *time.Time
	FinishedAt      *time.Time
}

// ID is the run's number as text.
func (r *Run) ID() string { return strconv.FormatInt(r.Number, 10) }

// Assets are the assets it is about, in the order worked on.
func (r *Run) Assets() []string { return slices.Clip(r.Args.Assets) }

// Currencies are the currencies it is about.
func (r *Run) Currencies() []market.Currency { return slices.Clip(r.Args.Currencies) }

// Interval is a backfill's; nil: a refresh.
func (r *Run) Interval() *market.Interval {
	if r.Kind != Backfill {
		return nil
	}
	return &r.Args.Interval
}

// Days are a backfill's; nil: a refresh.
func (r *Run) Days() *market.Days {
	if r.Kind != Backfill {
		return nil
	}
	return &r.Args.Days
}

// Page is a page of runs, the newest first.
type Page struct {
	Nodes      []Run
	PageInfo   relay.PageInfo
	TotalCount int
}

// Edge is a run and its place in the list.
type Edge struct {
	Cursor string
	Node   Run
}

// Edges are the nodes with their cursors.
func (p *Page) Edges() []Edge {
	edges := make([]Edge, len(p.Nodes))
	for i := range p.Nodes {
		edges[i] = Edge{relay.Cursor(p.Nodes[i].ID()), p.Nodes[i]}
	}
	return edges
}
