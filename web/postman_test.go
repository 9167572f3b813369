package web

import (
	"bytes"
	"encoding/json"
	goflag "flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/coingraph/coingraph/fault"
)

var update = goflag.Bool("update", false, "write docs/postman.json and docs/postman-environment.json")

// A Postman collection, version 2.1: https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html
type (
	pmCollection struct {
		Info struct {
			Name        string `json:"name"`
			Description string `json:"description"`
			Schema      string `json:"schema"`
		} `json:"info"`
		Auth pmAuth     `json:"auth"`
		Item []pmFolder `json:"item"`
	}
	pmFolder struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Item        []pmItem `json:"item"`
	}
	pmItem struct {
		Name    string    `json:"name"`
		Event   []pmEvent `json:"event"`
		Request pmRequest `json:"request"`
	}
	pmEvent struct {
		Listen string   `json:"listen"`
		Script pmScript `json:"script"`
	}
	pmScript struct {
		Type string   `json:"type"`
		Exec []string `json:"exec"`
	}
	pmRequest struct {
		Method      string   `json:"method"`
		Auth        *pmAuth  `json:"auth,omitempty"`
		Header      []pmPair `json:"header"`
		Body        *pmBody  `json:"body,omitempty"`
		URL         pmURL    `json:"url"`
		Description string   `json:"description,omitempty"`
	}
	pmURL struct {
		Raw   string   `json:"raw"`
		Host  []string `json:"host"`
		Path  []string `json:"path"`
		Query []pmPair `json:"query,omitempty"`
	}
	pmPair struct {
		Key         string `json:"key"`
		Value       string `json:"value"`
		Description string `json:"description,omitempty"`
		Disabled    bool   `json:"disabled,omitempty"`
	}
	pmAuth struct {
		Type   string   `json:"type"`
		APIKey []pmPair `json:"apikey,omitempty"`
	}
	pmBody struct {
		Mode    string     `json:"mode"`
		Raw     string     `json:"raw,omitempty"`
		GraphQL *pmGraphQL `json:"graphql,omitempty"`
	}
	pmGraphQL struct {
		Query     string `json:"query"`
		Variables string `json:"variables"`
	}
)

func keyAuth(variable string) *pmAuth {
	return &pmAuth{Type: "apikey", APIKey: []pmPair{{Key: "key", Value: "X-API-Key"}, {Key: "value", Value: "{{" + variable + "}}"}, {Key: "in", Value: "header"}}}
}

var noAuth = &pmAuth{Type: "noauth"}

// collection has each operation as its declaration shows it, and what it answers to wrong parameters and wrong keys; and
// each example of the playground.
func collection(operations []*operation, examples []example) pmCollection {
	var c pmCollection
	c.Info.Name, c.Info.Schema = "coingraph", "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
	c.Info.Description = "Every REST route and the playground's GraphQL examples, each with a check of its answer. Made by `make generate` from the code that serves them."
	c.Auth = *keyAuth("publicKey")
	for _, tag := range document(operations).Tags {
		folder := pmFolder{Name: tag.Name, Description: tag.Description, Item: []pmItem{}}
		for _, op := range operations {
			if op.tag == tag.Name {
				folder.Item = append(folder.Item, op.requests()...)
			}
		}
		c.Item = append(c.Item, folder)
	}
	folder := pmFolder{Name: "GraphQL examples", Description: "The playground's menu."}
	for _, e := range examples {
		folder.Item = append(folder.Item, e.request())
	}
	c.Item = append(c.Item, folder)
	return c
}

func (op *operation) requests() []pmItem {
	good := op.request(op.summary)
	media := []string{}
	for _, c := range op.answers[0].content {
		base, _, _ := strings.Cut(c.media, ";")
		media = append(media, base)
	}
	good.expect(http.StatusOK, media...)
	items := []pmItem{good}
	form := op.form
	if form == nil {
		form = &problems
	}
	refused := func(name string, kind fault.Kind, change func(*pmItem)) {
		item := op.request(op.summary + ": " + name)
		change(&item)
		item.expect(form.statusOf(kind), strings.TrimSuffix(form.media, "; charset=utf-8"))
		if form == &problems {
			item.check("its code is "+kind.Code(), "pm.expect(pm.response.json().code).to.eql('"+kind.Code()+"');")
		}
		items = append(items, item)
	}
	if slices.ContainsFunc(op.parameters, func(p parameter) bool { return p.required && !p.inPath }) {
		refused("nothing that it needs", fault.BadInput, func(item *pmItem) { item.Request.URL.Query, item.Request.URL.Raw = nil, pathOf(item.Request.URL.Raw) })
	}
	if len(op.access.schemes) > 0 {
		if op.form == &graphQLErrors {
			form = &errorForm{media: plainJSON}
		}
		refused("no key", fault.Unauthenticated, func(item *pmItem) { item.Request.Auth = noAuth })
	}
	if op.access.admin {
		refused("not an admin", fault.Forbidden, func(item *pmItem) { item.Request.Auth = keyAuth("publicKey") })
	}
	return items
}

func pathOf(raw string) string {
	before, _, _ := strings.Cut(raw, "?")
	return before
}

func (op *operation) request(name string) pmItem {
	item := pmItem{Name: name, Request: pmRequest{Method: op.method, Header: []pmPair{}, Description: op.description}}
	switch {
	case op.access.admin:
		item.Request.Auth = keyAuth("adminKey")
	case len(op.access.schemes) == 0:
		item.Request.Auth = noAuth
	}
	path := op.path
	var query []pmPair
	for _, p := range op.parameters {
		switch {
		case p.inPath:
			path = strings.ReplaceAll(path, "{"+p.name+"}", p.example)
		case p.required || p.example != "" || p.fallback != "":
			value := p.example
			if value == "" {
				value = p.fallback
			}
			query = append(query, pmPair{Key: p.name, Value: value, Description: p.description, Disabled: !p.required && p.example == ""})
		}
	}
	item.Request.URL = postmanURL(path, query)
	if op.body != nil {
		media, _ := op.body.Content.Get(plainJSON)
		raw, err := json.MarshalIndent(media.Example, "", "  ")
		if err != nil {
			panic(err)
		}
		item.Request.Header = append(item.Request.Header, pmPair{Key: "Content-Type", Value: plainJSON})
		item.Request.Body = &pmBody{Mode: "raw", Raw: string(raw)}
	}
	return item
}

func postmanURL(path string, query []pmPair) pmURL {
	u := pmURL{Raw: "{{baseUrl}}" + path, Host: []string{"{{baseUrl}}"}, Path: strings.Split(strings.TrimPrefix(path, "/"), "/"), Query: query}
	var enabled []string
	for _, q := range query {
		if !q.Disabled {
			enabled = append(enabled, q.Key+"="+url.QueryEscape(q.Value))
		}
	}
	if len(enabled) > 0 {
		u.Raw += "?" + strings.Join(enabled, "&")
	}
	return u
}

func (item *pmItem) check(name string, body ...string) {
	if len(item.Event) == 0 {
		item.Event = []pmEvent{{Listen: "test", Script: pmScript{Type: "text/javascript"}}}
	}
	exec := &item.Event[0].Script.Exec
	*exec = append(*exec, fmt.Sprintf("pm.test(%q, () => {", name))
	for _, line := range body {
		*exec = append(*exec, "  "+line)
	}
	*exec = append(*exec, "});")
}

func (item *pmItem) expect(status int, media ...string) {
	item.check(fmt.Sprintf("its status is %d", status), fmt.Sprintf("pm.response.to.have.status(%d);", status))
	list, err := json.Marshal(media)
	if err != nil {
		panic(err)
	}
	item.check("its media type is as described", "pm.expect("+string(list)+").to.include(pm.response.headers.get('Content-Type').split(';')[0]);")
	item.check("it has a request id", "pm.expect(pm.response.headers.get('X-Request-Id')).to.match(/^[A-Z2-7]{26}$/);")
}

// example is one of the playground's.
type example struct{ title, description, query, variables string }

// readExamples reads the playground's file as web/ui/src/examples.js does.
func readExamples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("ui/src/examples.graphql")
	if err != nil {
		t.Fatal(err)
	}
	var examples []example
	for _, part := range regexp.MustCompile(`(?m)^### `).Split(string(text), -1)[1:] {
		title, rest, _ := strings.Cut(part, "\n")
		e := example{title: title}
		var query []string
		for line := range strings.SplitSeq(rest, "\n") {
			switch comment, isComment := strings.CutPrefix(line, "# "); {
			case strings.HasPrefix(line, "# variables: "):
				e.variables = strings.TrimPrefix(line, "# variables: ")
			case isComment:
				e.description = strings.TrimSpace(e.description + " " + comment)
			default:
				query = append(query, line)
			}
		}
		e.query = strings.TrimSpace(strings.Join(query, "\n"))
		examples = append(examples, e)
	}
	return examples
}

func (e example) request() pmItem {
	item := pmItem{Name: e.title, Request: pmRequest{
		Method: http.MethodPost, Header: []pmPair{{Key: "Accept", Value: responseJSON}}, Description: e.description, URL: postmanURL(graphQLPath, nil),
		Body: &pmBody{Mode: "graphql", GraphQL: &pmGraphQL{Query: e.query, Variables: e.variables}},
	}}
	if strings.Contains(e.description, "role ADMIN") {
		item.Request.Auth = keyAuth("adminKey")
	}
	item.expect(http.StatusOK, responseJSON)
	item.check("nothing failed", "const { data, errors } = pm.response.json();", "pm.expect(errors).to.be.undefined;", "pm.expect(Object.values(data)).to.not.include(null);")
	return item
}

// TestExamples: each example of the playground is valid for the schema, and says what it is.
func TestExamples(t *testing.T) {
	if len(servedExamples(t)) < 8 {
		t.Error("there are fewer examples than the menu promises")
	}
}

// servedExamples are the playground's examples, each of which the schema can answer.
func servedExamples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	var served []example
	for _, e := range readExamples(t) {
		_, errs := gqlparser.LoadQueryWithRules(schema, e.query, rules.NewDefaultRules())
		switch {
		case errs != nil:
			t.Errorf("%q: %v", e.title, errs)
		case e.description == "" || e.variables != "" && !json.Valid([]byte(e.variables)):
			t.Errorf("%q has no description, or variables that are not JSON: %q %q", e.title, e.description, e.variables)
		default:
			served = append(served, e)
		}
	}
	return served
}

// TestPostman compares the collection in docs/ with the declarations it is made of.
func TestPostman(t *testing.T) {
	environment := map[string]any{
		"name": "coingraph, development keys", "_postman_variable_scope": "environment",
		"values": []map[string]any{
			{"key": "baseUrl", "value": "http://127.0.0.1:8080", "enabled": true},
			{"key": "publicKey", "value": "dev-public-key", "enabled": true},
			{"key": "adminKey", "value": "dev-admin-key", "enabled": true},
		},
	}
	for file, content := range map[string]any{
		"../docs/postman.json":             collection(described(t).operations(), servedExamples(t)),
		"../docs/postman-environment.json": environment,
	} {
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", " ")
		if err := encoder.Encode(content); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, want.Bytes()) {
			t.Errorf("%s is not what the program serves: run go generate ./web (%v)", file, err)
		}
	}
}
