package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/coingraph/coingraph/fault"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		accept []string
		want   string
	}{
		{nil, plainJSON},
		{[]string{"*/*"}, plainJSON},
		{[]string{"application/*"}, plainJSON},
		{[]string{"application/json"}, plainJSON},
		{[]string{"application/graphql-response+json"}, responseJSON},
		{[]string{"application/graphql-response+json, application/json;q=0.9"}, responseJSON},
		{[]string{"application/json;q=0.2, application/graphql-response+json;q=0.9"}, responseJSON},
		{[]string{"application/json", "application/graphql-response+json"}, plainJSON},
		{[]string{"text/html, application/graphql-response+json; charset=UTF-8"}, responseJSON},
		{[]string{"application/json; charset=utf-8"}, plainJSON},
		{[]string{"text/html"}, ""},
		{[]string{"application/json; charset=latin1"}, ""},
		{[]string{"application/json;q=0"}, ""},
		{[]string{";;;"}, ""},
	} {
		got, err := negotiate(c.accept)
		if got != c.want || (err != nil) != (c.want == "") || err != nil && !fault.Is(err, fault.NotAcceptable) {
			t.Errorf("%q: got %q %v, want %q", c.accept, got, err, c.want)
		}
	}
}

func TestReadPost(t *testing.T) {
	post := func(contentType, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Body = http.MaxBytesReader(nil, r.Body, 1000)
		return r
	}
	for _, c := range []struct {
		name, contentType, body string
		want                    fault.Kind
	}{
		{"form", "application/x-www-form-urlencoded", `query={a}`, fault.UnsupportedMediaType},
		{"text", "text/plain", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"multipart", "multipart/form-data; boundary=x", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"nothing", "", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"two types", "application/json,text/plain", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"another charset", "application/json; charset=latin1", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"broken", plainJSON, `{"query":"{a}", "hunter2`, fault.BadInput},
		{"cut after a value", plainJSON, `{"query":"{a}"`, fault.BadInput},
		{"cut in a list", plainJSON, `{"query":"{a}","variables":{"x":[1`, fault.BadInput},
		{"empty", plainJSON, ``, fault.BadInput},
		{"null", plainJSON, `null`, fault.BadInput},
		{"a batch", plainJSON, ` [{"query":"{a}"}]`, fault.BadInput},
		{"bytes after it", plainJSON, `{"query":"{a}"} {}`, fault.BadInput},
		{"a brace after it", plainJSON, `{"query":"{a}"}}`, fault.BadInput},
		{"no query", plainJSON, `{}`, fault.BadInput},
		{"another case", plainJSON, `{"query":"{a}","QUERY":"{b}"}`, fault.BadInput},
		{"a query that is no text", plainJSON, `{"query":{"a":1}}`, fault.BadInput},
		{"variables that are no object", plainJSON, `{"query":"{a}","variables":[1]}`, fault.BadInput},
		{"extensions that are no object", plainJSON, `{"query":"{a}","extensions":"x"}`, fault.BadInput},
		{"a name that is no text", plainJSON, `{"query":"{a}","operationName":1}`, fault.BadInput},
		{"too large", plainJSON, `{"query":"` + strings.Repeat("a", 2000) + `"}`, fault.BodyTooLarge},
	} {
		_, err := readPost(post(c.contentType, c.body))
		if !fault.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the body is repeated: %v", c.name, err)
		}
	}
	params, err := readPost(post("application/json; charset=UTF-8", `{"query":"{a}","operationName":null,"variables":null,"extensions":null}`))
	if err != nil || params.Query != "{a}" {
		t.Errorf("got %+v %v", params, err)
	}
	compressed := post(plainJSON, `{"query":"{a}"}`)
	compressed.Header.Set("Content-Encoding", "gzip")
	if _, err := readPost(compressed); !fault.Is(err, fault.UnsupportedMediaType) {
		t.Errorf("a compressed body: %v", err)
	}
}

// TestFieldsOfRequest: what is wrong with a request's JSON is named, whichever way it came.
func TestFieldsOfRequest(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	key := strings.Repeat("k", 1000)
	for _, c := range []struct{ body, field string }{
		{`{"query":"{a}","query":"{b}"}`, "query"},
		{`{"query":"{a}","qu\u0065ry":"{b}"}`, "query"},
		{`{"query":"{a}","variables":null,"variables":{}}`, "variables"},
		{`{"query":"{a}","variables":{"x":1,"x":2}}`, "variables.x"},
		{`{"query":"{a}","variables":{"x":[0,{"y":{"z":1,"z":1}}]}}`, "variables.x.y.z"},
		{`{"query":"{a}","extensions":{"persistedQuery":{"sha256Hash":"a","sha256Hash":"b"}}}`, "extensions.persistedQuery.sha256Hash"},
		{`{"query":"{a}","documentId":"x"}`, "documentId"},
		{`{"Query":"{a}"}`, "Query"},
		{`{"query":"{a}","z":1,"` + key + `":1}`, key[:maxKeyShown] + "…"},
		{`{"query":"{a}","variables":{"x":` + deep(maxJSONDepth-1) + `}}`, "variables"},
		{`{"query":"{a}","variables":{"x":` + deep(20_000) + `}}`, "variables"},
		{`{"query":"{a}","variables":{"x":` + strings.Repeat("[", 100_000), "variables"},
		{deep(20_000), "body"},
		{`{"query":"{a}","variables":{"x":` + deep(maxJSONDepth-2) + `}}`, ""},
		{"{\"query\":\"{a}\xff\"}", "body"},
		{`{"query":"{a}","variables":{"x":{"y":1},"y":{"y":1}}}`, ""},
	} {
		_, err := readPost(postJSON(c.body))
		if got := fieldsOf(err); got != c.field || len(got) > 100 {
			t.Errorf("%.80s: %q is named, want %q", c.body, got, c.field)
		}
	}
	for _, c := range []struct{ query, field string }{
		{`query={a}&query={b}`, "query"},
		{`query={a}&variables={"x":1,"x":2}`, "variables.x"},
		{`query={a}&variables={"x":` + deep(20_000) + `}`, "variables"},
		{`query={a}&variables=[1]&extensions=hunter2`, "variables extensions"},
		{`query={a}&variables={}&variables={}`, "variables"},
		{`query={a}&operationName=%ff`, "operationName"},
		{`variables={}`, "query"},
		{`query={a}&variables=null&extensions=`, ""},
		{`query={a}&variables={"x":1}&operationName=A`, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/graphql", nil)
		r.URL.RawQuery = c.query
		_, err := readGet(r)
		if got := fieldsOf(err); got != c.field {
			t.Errorf("%.80s: %q is named, want %q", c.query, got, c.field)
		}
	}
}

func postJSON(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", plainJSON)
	return r
}

// fieldsOf are the names of the fields that a fault of the input is in; "" without a fault.
func fieldsOf(err error) string {
	if err == nil {
		return ""
	}
	if !fault.Is(err, fault.BadInput) {
		return err.Error()
	}
	var names []string
	for _, f := range fault.Of(err).Fields {
		names = append(names, f.Field)
	}
	return strings.Join(names, " ")
}

func TestVariables(t *testing.T) {
	const three = `{"query":"{a}","variables":{"n":12345678901234567890,"t":true,"l":[null,"x",{}]`
	with := func(more int) string {
		var body strings.Builder
		body.WriteString(three)
		for i := range more {
			fmt.Fprintf(&body, `,"v%d":%d`, i, i)
		}
		return body.String() + "}}"
	}
	params, err := readPost(postJSON(with(maxVariables - 3)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"n": json.Number("12345678901234567890"), "t": true, "l": []any{nil, "x", map[string]any{}}, "v996": json.Number("996")}
	for name, value := range want {
		if got := params.Variables[name]; !reflect.DeepEqual(got, value) {
			t.Errorf("%s: %#v, want %#v", name, got, value)
		}
	}
	for _, more := range []int{maxVariables - 2, 5000} {
		if _, err := readPost(postJSON(with(more))); fieldsOf(err) != "variables" {
			t.Errorf("%d variables: %v", more+3, err)
		}
	}
}

// endless is a body that never ends. It counts what is read of it.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += int64(len(p))
	return len(p), nil
}

// TestBodyLimit: of a body that is too large no more is read than the limit and the buffer that crosses it, whether it
// tells its length or not; of a compressed one nothing.
func TestBodyLimit(t *testing.T) {
	const limit = 256 << 10
	h := &Handler{opts: Options{MaxBodyBytes: limit, RequestTimeout: time.Minute}}
	for _, c := range []struct {
		name, encoding string
		length, most   int64
		want           fault.Kind
	}{
		{"with its length", "", 5 << 20, limit + 1, fault.BodyTooLarge},
		{"without", "", -1, limit + 1, fault.BodyTooLarge},
		{"with a length that is a lie", "", 10, limit + 1, fault.BodyTooLarge},
		{"compressed", "gzip", -1, 0, fault.UnsupportedMediaType},
		{"compressed twice", "identity, gzip", -1, 0, fault.UnsupportedMediaType},
		{"compressed, in two headers", "identity\ngzip", -1, 0, fault.UnsupportedMediaType},
	} {
		body := new(endless)
		r := httptest.NewRequest(http.MethodPost, "/graphql", body)
		r.ContentLength = c.length
		r.Header.Set("Content-Type", plainJSON)
		if c.encoding != "" {
			r.Header["Content-Encoding"] = strings.Split(c.encoding, "\n")
		}
		var err error
		h.limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, err = readPost(r) })).ServeHTTP(httptest.NewRecorder(), r)
		if !fault.Is(err, c.want) || body.read > c.most {
			t.Errorf("%s: %v after %d bytes, want %v and at most %d", c.name, err, body.read, c.want, c.most)
		}
	}
}

func FuzzReadPost(f *testing.F) {
	for _, body := range []string{
		`{"query":"{a}","variables":{"x":1}}`, `{"query":"{a}","variables":{"x":[1,{"y":null}],"x":2}}`, `{"query":"{a}","extensions":{"a":{"b":1e400}}} `,
		`{"query":"\ud800"}`, `{"query":"{a}",}`, `{"query":"{a}"`, `{"query":"{a}","variables":{"x":[1,]}}`, `{"query" "{a}"}`, `[[[`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		params, err := readPost(postJSON(body))
		if err != nil {
			if !fault.Is(err, fault.BadInput) {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if params.Query == "" && params.Extensions["persistedQuery"] == nil {
			t.Errorf("%q was taken for an operation", body)
		}
		// What is taken is read as the standard library reads it.
		var want struct {
			Variables, Extensions map[string]any
		}
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&want); err != nil || !json.Valid([]byte(body)) {
			t.Fatalf("%q was taken: %v", body, err)
		}
		if !reflect.DeepEqual(params.Variables, want.Variables) || !reflect.DeepEqual(params.Extensions, want.Extensions) {
			t.Errorf("%q: read %v %v", body, params.Variables, params.Extensions)
		}
	})
}

func TestIfNoneMatch(t *testing.T) {
	for value, want := range map[string]bool{`"a"`: true, `W/"a"`: true, `"b", "a"`: true, `*`: true, `"b"`: false, ``: false, `a`: false} {
		if got := matches([]string{value}, `"a"`); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}

// readPost reads a POST from its header to its operation.
func readPost(r *http.Request) (*graphql.RawParams, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	return readOperation(body)
}
