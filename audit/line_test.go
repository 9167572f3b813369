package audit

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 123_456_789, time.UTC)

// hostile are texts that clients and providers send.
var hostile = []string{
	"plain", "", "new\nline\r\n", "\x1b[31mred\x1b[0m", "\u009b31mC1", "\x7f", `quo"te\back`, "\xff\xfe\x80", "é 🚀 中", "\x00", "\u2028\u2029",
	"</script>", strings.Repeat("x", 1<<20), strings.Repeat("é", maxText), "a" + strings.Repeat("🚀", maxText), strings.Repeat("\xff", maxText+1),
}

// checkLine fails unless it is one JSON object on one line that a terminal takes for text, within the bound.
func checkLine(t *testing.T, line []byte) map[string]any {
	t.Helper()
	if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' || len(line) > maxLine {
		t.Fatalf("%d bytes with %d ends of a line: %.300q", len(line), bytes.Count(line, []byte("\n")), line)
	}
	if !utf8.Valid(line) {
		t.Fatalf("not UTF-8: %.300q", line)
	}
	for _, r := range string(line[:len(line)-1]) {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			t.Fatalf("a terminal obeys %U in %.300q", r, line)
		}
	}
	var object map[string]any
	if err := json.Unmarshal(line, &object); err != nil {
		t.Fatalf("%v in %.300q", err, line)
	}
	if at, ok := timeOf(line); !ok || at.IsZero() {
		t.Fatalf("no time: %.300q", line)
	}
	return object
}

func TestRequestLine(t *testing.T) {
	r := Request{
		Time: noon, Level: slog.LevelError, RequestID: "ID", TraceID: "T", KeyID: "key_1", Method: "GET", Route: "/simple_price", Operation: "Q 12ab",
		Variables: "a=list(1)", Status: 502, Code: "UPSTREAM_UNAVAILABLE", Duration: 1234567 * time.Nanosecond, Cache: "upstream", UpstreamCalls: 3, Bytes: 1 << 40,
	}
	const want = `{"time":"2026-11-01T12:00:00.123456Z","level":"ERROR","msg":"request","event":"request","request_id":"ID","trace_id":"T","replica":"host","key_id":"key_1",` +
		`"method":"GET","route":"/simple_price","operation":"Q 12ab","variables":"a=list(1)","status":502,"code":"UPSTREAM_UNAVAILABLE","duration_ms":1.234,` +
		`"cache":"upstream","upstream_calls":3,"bytes":1099511627776}` + "\n"
	if got := string(r.append(nil, "host")); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	e, err := parse([]byte(want))
	if err != nil || e.RequestID != "ID" || e.DurationMs != 1.234 || e.Level != Error || !e.Time.Equal(noon.Truncate(time.Microsecond)) || e.Line+"\n" != want {
		t.Errorf("read: %+v, %v", e, err)
	}
}

func TestHostileTexts(t *testing.T) {
	for _, text := range hostile {
		r := Request{Time: noon, KeyID: text, Route: text, Operation: text, Variables: text}
		line := r.append(nil, "host")
		object := checkLine(t, line)
		if got, _ := object["route"].(string); utf8.ValidString(text) && len(text) <= maxText && got != text {
			t.Errorf("%q came back as %q", text, got)
		}

		var out bytes.Buffer
		s := NewSink(SinkOptions{Console: &out, Replica: "host"})
		record := slog.NewRecord(noon, slog.LevelInfo, text, 0)
		record.Add("event", "x", "text", text, "error", io.EOF, slog.Group("group", "inner", text))
		if err := s.Logger().Handler().Handle(t.Context(), record); err != nil {
			t.Error(err)
		}
		s.Close()
		checkLine(t, out.Bytes())
	}
}

func FuzzText(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := Request{Time: noon, Route: text}
		checkLine(t, r.append(nil, "host"))
	})
}

// TestAppendCostsNoAllocation: it is on the way of every request.
func TestAppendCostsNoAllocation(t *testing.T) {
	r := Request{Time: noon, RequestID: "ID", KeyID: "key_1", Method: "GET", Route: "/simple_price", Status: 200, Cache: "memory"}
	b := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { b = r.append(b[:0], "host") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	s := NewSink(SinkOptions{})
	b.Cleanup(s.Close)
	r := Request{Time: noon, RequestID: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", KeyID: "key_1", Method: "POST", Route: "/graphql", Operation: "Prices 0123456789ab", Status: 200, Cache: "memory", Duration: time.Millisecond}
	for b.Loop() {
		s.Request(&r)
		if waiting, _ := s.segment.stats(); waiting > segmentQueue/2 {
			s.segment.take(nil)
		}
	}
}
