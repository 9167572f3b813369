package audit

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/telemetry"
)

// Action is something that an admin did or had done: the audit entry that is written in the transaction of what it
// tells.
type Action struct {
	Event   string // "key.create", "log.export", …
	Message string
	Target  string      // what it was done to: the id of a key, of a job
	Details []slog.Attr // whatever else is worth knowing, without secrets
}

// Line is the entry as a line of the log. Who did it, on whose request, is the context's actor.
func (a Action) Line(ctx context.Context, now time.Time, replica string) []byte {
	attrs := []slog.Attr{slog.String("event", a.Event), telemetry.Recorded()}
	for _, f := range []struct{ name, text string }{
		{"request_id", telemetry.RequestID(ctx)},
		{"trace_id", telemetry.TraceID(ctx)},
		{"replica", replica},
		{"key_id", auth.ActorOf(ctx).ID},
		{"target", a.Target},
	} {
		if f.text != "" {
			attrs = append(attrs, slog.String(f.name, f.text))
		}
	}
	r := slog.NewRecord(now, slog.LevelInfo, a.Message, 0)
	r.AddAttrs(append(attrs, a.Details...)...)
	var b bytes.Buffer
	_ = slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: replace}).Handle(ctx, r) // a buffer takes everything
	return b.Bytes()
}

// NewSegment packs lines that are in memory.
func NewSegment(name, replica string, lines [][]byte) (Segment, error) {
	s := Segment{Name: name, Replica: replica}
	p := newPacker()
	for _, line := range lines {
		if err := p.add(line); err != nil {
			return Segment{}, err
		}
	}
	return p.finish(s)
}
