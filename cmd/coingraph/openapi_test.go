package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestAnswersAreAsDescribed asks each GET route what its description shows as an example, and what it shows as wrong, and
// holds the answers against the schemas.
func TestAnswersAreAsDescribed(t *testing.T) {
	s := start(t, nil)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(s.get("/openapi.json", "").body))
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		op := item.Get
		if op == nil {
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			query, needed := make(url.Values), false
			target := path
			for _, ref := range op.Parameters {
				p := ref.Value
				switch {
				case p.In == "path":
					target = strings.ReplaceAll(target, "{"+p.Name+"}", p.Example.(string))
				case p.Example != nil:
					query.Set(p.Name, written(t, p.Example))
				}
				needed = needed || p.Required && p.In == "query"
			}
			fits(t, op, http.StatusOK, s.get(target+"?"+query.Encode(), adminKey))
			if needed {
				fits(t, op, http.StatusBadRequest, s.get(target, adminKey))
			}
			if len(*op.Security) > 0 {
				fits(t, op, http.StatusUnauthorized, s.get(target+"?"+query.Encode(), ""))
			}
			if op.Responses.Status(http.StatusForbidden) != nil {
				fits(t, op, http.StatusForbidden, s.get(target, publicKey))
			}
			if slices.ContainsFunc(op.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == "asset" }) {
				query.Set("asset", "no-such-asset")
				fits(t, op, http.StatusNotFound, s.get(target+"?"+query.Encode(), publicKey))
			}
		})
	}
}

// written is an example as a query has it.
func written(t *testing.T, value any) string {
	t.Helper()
	switch value := value.(type) {
	case string:
		return value
	case []any:
		parts := make([]string, len(value))
		for i := range value {
			parts[i] = written(t, value[i])
		}
		return strings.Join(parts, ",")
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// fits checks an answer's status, its media type, the headers that are promised, and a JSON body's schema.
func fits(t *testing.T, op *openapi3.Operation, status int, r reply) {
	t.Helper()
	described := op.Responses.Status(status)
	if r.status != status || described == nil {
		t.Errorf("want %d, which is described: %v; got %d %.300s", status, described != nil, r.status, r.body)
		return
	}
	var media *openapi3.MediaType
	base, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	for name, content := range described.Value.Content {
		if other, _, _ := strings.Cut(name, ";"); other == base {
			media = content
		}
	}
	if media == nil {
		t.Errorf("%d has a media type that is not described: %s", status, r.header.Get("Content-Type"))
		return
	}
	for name, header := range described.Value.Headers {
		if r.header.Get(name) == "" && name != "Retry-After" && name != "Link" { // which are there where they say something
			t.Errorf("%d has no %s (%s)", status, name, header.Value.Description)
		}
	}
	if media.Schema == nil || !strings.HasSuffix(base, "json") || strings.Contains(base, "ndjson") {
		return
	}
	var body any
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Errorf("%d: %v in %.300s", status, err, r.body)
		return
	}
	if err := media.Schema.Value.VisitJSON(body, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%d does not fit its schema: %.800v", status, err)
	}
}
