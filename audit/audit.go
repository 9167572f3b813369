// Package audit is the memory of what happened: one line for every API request and every worker action, written by one
// sink to the console and to segments on disk, shipped to the database, and exported to admins.
//
// # A line's way
//
// [Sink.Write] puts a line into two bounded queues and returns: it never waits. One goroutine empties the first onto the
// console. Another appends the second to the replica's open segment, a file of JSON lines that is synced to the disk at most
// each second. A segment that is large or old enough is closed, compressed to one gzip member and stored as one row of the
// database; then its file goes. What a killed process left on the disk is shipped by the next one on the same directory.
//
// # What is lost, and that it is told
//
// A kill loses what was not yet handed to the kernel, a tenth of a second; a power cut what was not yet synced, a second.
// A disk that is full or a database that is away fills the queue and then the allowance on the disk; lines beyond these
// are dropped and counted, which the log itself says once a minute, and it goes on by itself once it can.
//
// # Reading
//
// Segments have ascending numbers in the order of their commits, and a line's place is its segment's number and its own
// within: a cursor that stays valid while the log grows. Within a segment lines ascend in time; segments of several
// replicas overlap. Before an export every live replica ships what it has (see [Log.Flush]).
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
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

// levelOf is the level of slog, rounded down to one that has a name.
func levelOf(l slog.Level) Level {
	switch {
	case l < slog.LevelInfo:
		return Debug
	case l < slog.LevelWarn:
		return Info
	case l < slog.LevelError:
		return Warn
	}
	return Error
}

// Entry is one line of the log, read. It never holds a secret: a key is named by its id, an operation by its name and
// hash, variables by their shape. What does not apply is the zero value.
type Entry struct {
	Time          time.Time `json:"time"`
	Level         Level     `json:"level"`
	Message       string    `json:"msg"`
	Event         string    `json:"event"` // "request", "key.create", "catalogue.refresh", …
	RequestID     string    `json:"request_id"`
	TraceID       string    `json:"trace_id"`
	Replica       string    `json:"replica"`
	KeyID         string    `json:"key_id"` // who asked
	Method        string    `json:"method"`
	Route         string    `json:"route"`     // the router's pattern, not the raw path
	Operation     string    `json:"operation"` // GraphQL: the operation's name and the document's hash
	Variables     string    `json:"variables"` // GraphQL: their names, types and lengths
	Status        int       `json:"status"`
	Code          string    `json:"code"` // the error's code
	DurationMs    float64   `json:"duration_ms"`
	Cache         string    `json:"cache"` // the farthest tier asked: memory, redis, database, upstream
	UpstreamCalls int       `json:"upstream_calls"`
	Bytes         int64     `json:"bytes"`
	Provider      string    `json:"provider"`

	Place Place  `json:"-"`
	Line  string `json:"-"` // all of it, with what has no field here
}

// parse reads a line. A field of another type than is usual, which a worker's line may have, is left out.
func parse(line []byte) (Entry, error) {
	var e Entry
	err := json.Unmarshal(line, &e)
	if err != nil && !isTypeError(err) {
		return Entry{}, fmt.Errorf("audit: a line that is no JSON object: %w", err)
	}
	e.Line = strings.TrimSuffix(string(line), "\n")
	return e, nil
}

// isTypeError tells whether a field had another type than was asked for: the others are read then.
func isTypeError(err error) bool {
	var wrong *json.UnmarshalTypeError
	return errors.As(err, &wrong)
}

// Place is where a line is in the log.
type Place struct {
	Segment int64 // the segment's number, from 1
	Line    int   // its number within the segment, from 1; 0 is before the first
}

// String is the place as cursors have it.
func (p Place) String() string { return strconv.FormatInt(p.Segment, 10) + "-" + strconv.Itoa(p.Line) }

// ParsePlace reads what [Place.String] writes; "" is before everything.
func ParsePlace(s string) (Place, error) {
	if s == "" {
		return Place{}, nil
	}
	var p Place
	if n, err := fmt.Sscanf(s, "%d-%d", &p.Segment, &p.Line); n != 2 || err != nil || p.Segment < 0 || p.Line < 0 || p.String() != s {
		return Place{}, fmt.Errorf("audit: %q is no place in the log", s)
	}
	return p, nil
}

// ID is the entry's place as text.
func (e Entry) ID() string { return e.Place.String() }
