package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coingraph/coingraph/telemetry"
)

// handler is slog's own JSON handler in front of the sink: everything that is not a request's line comes through it.
type handler struct {
	sink   *Sink
	lines  slog.Handler // writes to a lineWriter
	target *lineWriter
	named  map[string]bool // attributes that every line of this logger has
}

func newHandler(s *Sink) *handler {
	w := &lineWriter{sink: s}
	return &handler{
		sink: s, target: w,
		lines: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: s.least(), ReplaceAttr: replace}).WithAttrs([]slog.Attr{slog.String("replica", s.opts.Replica)}),
	}
}

// Enabled tells whether the level is logged anywhere.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.sink.least() }

// Handle writes one line.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	has := map[string]bool{}
	only := false
	event := ""
	r.Attrs(func(a slog.Attr) bool {
		has[a.Key] = true
		switch a.Key {
		case telemetry.RecordedKey:
			only = true
		case "event":
			event = a.Value.String()
		}
		return true
	})
	r = r.Clone()
	add := func(key, value string) {
		if value != "" && !has[key] && !h.named[key] {
			r.AddAttrs(slog.String(key, value))
		}
	}
	add("request_id", telemetry.RequestID(ctx))
	add("trace_id", telemetry.TraceID(ctx))
	h.sink.opts.Metrics.Line(string(levelOf(r.Level)), event)
	// The JSON handler writes a record in one call, under a lock of its own; the target must know whose it is.
	h.target.mu.Lock()
	defer h.target.mu.Unlock()
	h.target.level, h.target.consoleOnly, h.target.time, h.target.event = r.Level, only, r.Time, event
	return h.lines.Handle(ctx, r)
}

// WithAttrs is a handler whose lines have the attributes.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.named = make(map[string]bool, len(attrs))
	for key := range h.named {
		next.named[key] = true
	}
	for _, a := range attrs {
		next.named[a.Key] = true
	}
	next.lines = h.lines.WithAttrs(attrs)
	return &next
}

// WithGroup is a handler whose further attributes are in the group.
func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.lines = h.lines.WithGroup(name)
	return &next
}

// replace gives times and durations the form that requests' lines have, and bounds texts.
func replace(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime:
		return slog.String(slog.TimeKey, a.Value.Time().UTC().Format(timeLayout))
	case len(groups) == 0 && a.Key == slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String(slog.LevelKey, string(levelOf(level)))
		}
	}
	switch a.Value.Kind() {
	case slog.KindDuration:
		return slog.Float64(a.Key+"_ms", float64(a.Value.Duration())/float64(time.Millisecond))
	case slog.KindString:
		return slog.String(a.Key, clean(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			return slog.String(a.Key, clean(v.Error()))
		case fmt.Stringer:
			return slog.String(a.Key, clean(v.String()))
		}
	}
	return a
}

// clean cuts a text to its bound and takes from it what JSON leaves as it is but a terminal obeys.
func clean(s string) string {
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	if !strings.ContainsFunc(s, obeyed) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if obeyed(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// obeyed are DEL and the C1 controls: slog's JSON escapes only those below a space.
func obeyed(r rune) bool { return r >= 0x7f && r < 0xa0 }

// lineWriter hands a line of the JSON handler to the sink.
type lineWriter struct {
	sink        *Sink
	mu          sync.Mutex
	level       slog.Level
	consoleOnly bool
	time        time.Time
	event       string
}

// Write takes one whole line.
func (w *lineWriter) Write(line []byte) (int, error) {
	n := len(line)
	line = w.sink.redact(line)
	if len(line) > maxLine || !bytes.HasSuffix(line, []byte("\n")) {
		line = appendHead(nil, w.time, levelOf(w.level), string(line[:min(len(line), maxText)]), w.event)
		line = append(appendField(line, "replica", w.sink.opts.Replica), `,"truncated":true}`+"\n"...)
	}
	w.sink.put(w.level, line, w.consoleOnly)
	return n, nil
}
