package audit

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFilterChecks(t *testing.T) {
	for _, c := range []struct {
		filter Filter
		bad    string
	}{
		{Filter{}, ""},
		{Filter{From: noon, To: noon.Add(1)}, ""},
		{Filter{From: noon, To: noon}, "to"},
		{Filter{Event: "key.create", Key: "jwt:auth0|a<b>@x", Provider: "coingecko", RequestID: "AB-c_9", Status: 404}, ""},
		{Filter{Event: "../../etc/passwd", Key: `a"b`, Provider: "a/b", RequestID: "../x", Status: 7}, "event key provider requestId status"},
		{Filter{Event: "a b", Key: "a\nb", Provider: "\x00", RequestID: strings.Repeat("x", 65), Status: 600}, "event key provider requestId status"},
	} {
		var names []string
		for _, f := range c.filter.Check() {
			names = append(names, f.Field)
		}
		if got := strings.Join(names, " "); got != c.bad {
			t.Errorf("%+v: %q is wrong, want %q", c.filter, got, c.bad)
		}
	}
}

func TestMatch(t *testing.T) {
	request := func(change func(*Request)) []byte {
		r := Request{Time: noon, RequestID: "r1", KeyID: "k1", Route: "/x", Status: 200}
		change(&r)
		return r.append(nil, "host")
	}
	base := request(func(*Request) {})
	worker := []byte(`{"time":"2026-11-01T12:00:00.123456Z","level":"WARN","msg":"call","event":"fetch.call","provider":"coingecko","status":"gone","text":"\"event\":\"request\""}` + "\n")
	at := noon.Truncate(time.Microsecond)
	for _, c := range []struct {
		name   string
		line   []byte
		filter Filter
		want   bool
	}{
		{"all", base, Filter{}, true},
		{"level", base, Filter{Level: Info}, true},
		{"another level", base, Filter{Level: Error}, false},
		{"event", base, Filter{Event: "request"}, true},
		{"the beginning of an event", base, Filter{Event: "req"}, false},
		{"key", base, Filter{Key: "k1"}, true},
		{"another key", base, Filter{Key: "k"}, false},
		{"status", base, Filter{Status: 200}, true},
		{"the beginning of a status", request(func(r *Request) { r.Status = 2001 }), Filter{Status: 200}, false},
		{"request id", base, Filter{RequestID: "r1"}, true},
		{"provider", worker, Filter{Provider: "coingecko"}, true},
		{"no provider", base, Filter{Provider: "coingecko"}, false},
		{"a status that is a text", worker, Filter{Status: 200}, false},
		{"an event within a text", worker, Filter{Event: "request"}, false},
		{"an event within a route", request(func(r *Request) { r.Route = `"event":"y"` }), Filter{Event: "y"}, false},
		{"several", base, Filter{Event: "request", Key: "k1", Status: 200, Level: Info, RequestID: "r1"}, true},
		{"several but one", base, Filter{Event: "request", Key: "k1", Status: 201}, false},
		{"from", base, Filter{From: at}, true},
		{"from just after", base, Filter{From: at.Add(1)}, false},
		{"to", base, Filter{To: at}, false},
		{"to just after", base, Filter{To: at.Add(1)}, true},
		{"from another time zone", base, Filter{From: at.In(time.FixedZone("", 3600))}, true},
	} {
		if got := newMatcher(c.filter).match(c.line); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, p := range []Place{{}, {1, 2}, {1 << 60, 7}} {
		if got, err := ParsePlace(p.String()); err != nil || got != p {
			t.Errorf("%v: %v, %v", p, got, err)
		}
	}
	for _, bad := range []string{"1", "1-", "-1-1", "1-2-3", "1-2 ", "x", "01-2", "../1-2"} {
		if _, err := ParsePlace(bad); err == nil {
			t.Errorf("%q is a place", bad)
		}
	}
}

func TestSecretsInTexts(t *testing.T) {
	var out strings.Builder
	s := NewSink(SinkOptions{Console: &out, Secrets: []string{"hunter2-of-the-database", `quo"ted-secret`}})
	s.Logger().ErrorContext(t.Context(), "failed", "error", `dial postgres://u:hunter2-of-the-database@h: quo"ted-secret`, slog.Group("g", "x", "hunter2-of-the-database"))
	s.Close()
	if got := out.String(); strings.Contains(got, "hunter2") || strings.Contains(got, "ted-secret") || strings.Count(got, "[redacted]") != 3 {
		t.Errorf("the line: %s", got)
	}
}
