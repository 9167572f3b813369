// Package audit is the memory of what happened: one entry for every API request and every worker action, kept in the
// database and exported to admins.
package audit

import (
	"context"
	"time"
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
