package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "c4n4ry-with-more-than-32-bytes-of-it"

func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret(canary)
	if s.Reveal() != canary || !s.IsSet() {
		t.Fatal("the secret is lost")
	}
	type holder struct {
		Open   Secret
		hidden Secret // fmt cannot call its methods
		deep   struct{ list []Secret }
		keyed  map[string]Secret
	}
	h := holder{Open: s, hidden: s, keyed: map[string]Secret{"k": s}}
	h.deep.list = []Secret{s}

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%+q", "%p", "%T", "%!"} {
		for _, v := range []any{s, &s, h, &h, []Secret{s}, fmt.Errorf("wrapped: %w", fmt.Errorf("%v", s))} {
			check(t, verb, fmt.Sprintf(verb, v))
		}
	}
	check(t, "Print", fmt.Sprint(s)+fmt.Sprintln(h))
	check(t, "String", s.String()+s.GoString()+s.LogValue().String())

	var logged bytes.Buffer
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&logged, nil)), slog.New(slog.NewJSONHandler(&logged, nil))} {
		log.Info("m", "secret", s, "pointer", &s, "struct", h, "any", slog.AnyValue(s), slog.Group("g", "secret", s))
	}
	check(t, "slog", logged.String())

	asJSON, err := json.Marshal(map[string]any{"s": s, "h": h, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "json", string(asJSON))
	if want := `{"Open":"[redacted]"}`; !strings.Contains(string(asJSON), want) {
		t.Errorf("JSON %s lacks %s", asJSON, want)
	}
	asKey, err := json.Marshal(map[Secret]int{s: 1})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "json key", string(asKey))
	type element struct{ S Secret }
	asXML, err := xml.Marshal(element{s})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "xml", string(asXML))
}

func TestSecretZeroValue(t *testing.T) {
	var s Secret
	if s.IsSet() || s.Reveal() != "" || s != NewSecret("") || fmt.Sprint(s) != "[redacted]" {
		t.Errorf("zero secret: set %v, reveals %q, prints %v", s.IsSet(), s.Reveal(), s)
	}
}

// check fails when a text has the canary in it, plain or in hexadecimal.
func check(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if strings.Contains(text, form[:16]) {
			t.Errorf("%s shows the secret: %s", where, text)
		}
	}
}
