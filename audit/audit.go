// Package audit is the memory of what happened: one entry for every API request and every worker action, kept in the
// database and exported to admins.
package audit

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/relay"
)

// Level is how much an entry matters, as in slog.
type Level string

// The levels, least first.
const (
	Debug Level = "DEBUG"
	Info  Level = "INFO"
	Warn  Level = "WARN"
	Error Level = "ERROR"
)

// Entry is one line of the log. It never holds a secret: a key is named by its id, an operation by its name and hash.
type Entry struct {
	ID            int64         `json:"id"` // ascending in the order of storing; 0 until stored
	Time          time.Time     `json:"time"`
	Level         Level         `json:"level"`
	Event         string        `json:"event"` // "request", "catalogue.refresh", …
	RequestID     string        `json:"requestId,omitempty"`
	Replica       string        `json:"replica,omitempty"`
	KeyID         string        `json:"keyId,omitempty"`
	Method        string        `json:"method,omitempty"`
	Route         string        `json:"route,omitempty"`     // the router's pattern, not the raw path
	Operation     string        `json:"operation,omitempty"` // GraphQL: the operation's name and the document's hash
	Status        int           `json:"status,omitempty"`
	Code          string        `json:"code,omitempty"` // the error's code
	Duration      time.Duration `json:"durationNs"`
	Cache         string        `json:"cache,omitempty"` // the farthest tier asked: memory, redis, database, upstream
	UpstreamCalls int           `json:"upstreamCalls,omitempty"`
	Bytes         int64         `json:"bytes,omitempty"`
	Provider      string        `json:"provider,omitempty"`
	Message       string        `json:"message,omitempty"`
}

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

// Store keeps entries. It fails with fault.StoreUnavailable, or with the context's error.
type Store interface {
	// Append stores the entries, all or none, and gives them ascending ids in the order given.
	Append(ctx context.Context, entries []Entry) error
	// Page gives up to limit entries that the filter selects with ids after the one given, ascending by id, so that
	// a reader who follows neither skips nor repeats an entry while the log grows.
	Page(ctx context.Context, f Filter, after int64, limit int) ([]Entry, error)
	// Count is how many entries the filter selects.
	Count(ctx context.Context, f Filter) (int, error)
	// Prune deletes the entries from before the time given and tells how many there were.
	Prune(ctx context.Context, before time.Time) (int, error)
}

// Page is a page of the log.
type Page struct {
	Nodes      []Entry
	PageInfo   relay.PageInfo
	TotalCount int
}

// Edge is an entry and its place in the log.
type Edge struct {
	Cursor string
	Node   Entry
}

// Edges are the nodes with their cursors.
func (p *Page) Edges() []Edge {
	edges := make([]Edge, len(p.Nodes))
	for i, e := range p.Nodes {
		edges[i] = Edge{cursorOf(e.ID), e}
	}
	return edges
}

// Key is the entry's id as text.
func (e Entry) Key() string { return strconv.FormatInt(e.ID, 10) }

// DurationMs is the duration in milliseconds.
func (e Entry) DurationMs() float64 { return float64(e.Duration) / float64(time.Millisecond) }

func cursorOf(id int64) string { return relay.Cursor(strconv.FormatInt(id, 10)) }

// MarshalGQL writes the GraphQL enum value.
func (l Level) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(l))) }

// UnmarshalGQL reads the GraphQL enum value.
func (l *Level) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	switch *l = Level(s); *l {
	case Debug, Info, Warn, Error:
		return nil
	}
	return fmt.Errorf("a level is DEBUG, INFO, WARN or ERROR")
}

// ReadPage is the page of entries after the one given.
func ReadPage(ctx context.Context, s Store, f Filter, after int64, first int) (*Page, error) {
	entries, err := s.Page(ctx, f, after, first+1)
	if err != nil {
		return nil, err
	}
	total, err := s.Count(ctx, f)
	if err != nil {
		return nil, err
	}
	p := &Page{Nodes: entries, TotalCount: total}
	if len(entries) > first {
		p.Nodes, p.PageInfo.HasNextPage = entries[:first], true
	}
	if n := len(p.Nodes); n > 0 {
		cursor := cursorOf(p.Nodes[n-1].ID)
		p.PageInfo.EndCursor = &cursor
	}
	return p, nil
}

// MaxText bounds a filter's texts, in bytes.
const MaxText = 200

// Check names what is wrong with the filter.
func (f *Filter) Check() []fault.Field {
	var bad []fault.Field
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		bad = append(bad, fault.Field{Field: "to", Message: "must be after from"})
	}
	for _, t := range []struct{ name, value string }{{"event", f.Event}, {"key", f.Key}, {"provider", f.Provider}, {"requestId", f.RequestID}} {
		if len(t.value) > MaxText || strings.ContainsFunc(t.value, unicode.IsControl) || !utf8.ValidString(t.value) {
			bad = append(bad, fault.Field{Field: t.name, Message: fmt.Sprintf("must be a text of at most %d bytes without control characters", MaxText)})
		}
	}
	if f.Status != 0 && (f.Status < 100 || f.Status > 599) {
		bad = append(bad, fault.Field{Field: "status", Message: "must be an HTTP status"})
	}
	return bad
}
