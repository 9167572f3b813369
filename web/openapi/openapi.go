// Package openapi holds the types of an OpenAPI 3.1 document, as far as coingraph's own needs them.
//
// See https://spec.openapis.org/oas/v3.1.1.html for what each of them means.
package openapi

import (
	"bytes"
	"encoding/json"
)

// Version is the version of the specification that a [Document] follows.
const Version = "3.1.1"

// Map is a JSON object whose members keep their order, which is the order in which readers see them.
type Map[V any] []Member[V]

// Member is one member of a [Map].
type Member[V any] struct {
	Name  string
	Value V
}

// Get finds a member by its name.
func (m Map[V]) Get(name string) (value V, ok bool) {
	for _, member := range m {
		if member.Name == name {
			return member.Value, true
		}
	}
	return value, false
}

// Set replaces the member of that name, or adds it at the end.
func (m *Map[V]) Set(name string, value V) {
	for i := range *m {
		if (*m)[i].Name == name {
			(*m)[i].Value = value
			return
		}
	}
	*m = append(*m, Member[V]{name, value})
}

// MarshalJSON writes the members in their order.
func (m Map[V]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, member := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(member.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(member.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Document is the root.
type Document struct {
	OpenAPI    string         `json:"openapi"`
	Info       Info           `json:"info"`
	Servers    []Server       `json:"servers,omitempty"`
	Tags       []Tag          `json:"tags,omitempty"`
	Paths      Map[*PathItem] `json:"paths"`
	Components Components     `json:"components"`
}

// Info describes the API.
type Info struct {
	Title       string   `json:"title"`
	Summary     string   `json:"summary,omitempty"`
	Description string   `json:"description,omitempty"`
	Version     string   `json:"version"`
	License     *License `json:"license,omitempty"`
}

// License is the licence of the API's description and code, as an SPDX identifier.
type License struct {
	Name       string `json:"name"`
	Identifier string `json:"identifier,omitempty"`
}

// Server is where the API is served.
type Server struct {
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
}

// Tag groups operations.
type Tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// PathItem holds the operations of a path.
type PathItem struct {
	Get  *Operation `json:"get,omitempty"`
	Post *Operation `json:"post,omitempty"`
}

// Operation is one method of a path.
type Operation struct {
	OperationID string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Tags        []string              `json:"tags,omitempty"`
	Security    []SecurityRequirement `json:"security"` // none: open
	Parameters  []Parameter           `json:"parameters,omitempty"`
	RequestBody *RequestBody          `json:"requestBody,omitempty"`
	Responses   Map[*Response]        `json:"responses"`
}

// SecurityRequirement names the schemes that must all be satisfied.
type SecurityRequirement map[string][]string

// Parameter is a parameter of an operation.
type Parameter struct {
	Name        string        `json:"name"`
	In          string        `json:"in"`
	Description string        `json:"description,omitempty"`
	Required    bool          `json:"required,omitempty"`
	Style       string        `json:"style,omitempty"`
	Explode     *bool         `json:"explode,omitempty"`
	Schema      *Schema       `json:"schema"`
	Example     any           `json:"example,omitempty"`
	Examples    Map[*Example] `json:"examples,omitempty"`
}

// RequestBody is what an operation takes.
type RequestBody struct {
	Description string          `json:"description,omitempty"`
	Required    bool            `json:"required,omitempty"`
	Content     Map[*MediaType] `json:"content"`
}

// Response is one answer of an operation, or a reference to a shared one.
type Response struct {
	Ref         string          `json:"$ref,omitempty"`
	Description string          `json:"description,omitempty"`
	Headers     Map[*Header]    `json:"headers,omitempty"`
	Content     Map[*MediaType] `json:"content,omitempty"`
}

// Header is a header of a response, or a reference to a shared one.
type Header struct {
	Ref         string  `json:"$ref,omitempty"`
	Description string  `json:"description,omitempty"`
	Schema      *Schema `json:"schema,omitempty"`
	Example     any     `json:"example,omitempty"`
}

// MediaType is a body in one media type.
type MediaType struct {
	Schema   *Schema       `json:"schema,omitempty"`
	Example  any           `json:"example,omitempty"`
	Examples Map[*Example] `json:"examples,omitempty"`
}

// Example is one of several examples.
type Example struct {
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
	Value       any    `json:"value"`
}

// Components is what is shared.
type Components struct {
	Schemas         Map[*Schema]         `json:"schemas,omitempty"`
	Responses       Map[*Response]       `json:"responses,omitempty"`
	Headers         Map[*Header]         `json:"headers,omitempty"`
	SecuritySchemes Map[*SecurityScheme] `json:"securitySchemes,omitempty"`
}

// SecurityScheme is a way of showing a credential.
type SecurityScheme struct {
	Type         string `json:"type"`
	Description  string `json:"description,omitempty"`
	Name         string `json:"name,omitempty"`
	In           string `json:"in,omitempty"`
	Scheme       string `json:"scheme,omitempty"`
	BearerFormat string `json:"bearerFormat,omitempty"`
}

// Schema is a JSON Schema of draft 2020-12.
type Schema struct {
	Ref                  string       `json:"$ref,omitempty"`
	Title                string       `json:"title,omitempty"`
	Description          string       `json:"description,omitempty"`
	Type                 Types        `json:"type,omitempty"`
	Format               string       `json:"format,omitempty"`
	Pattern              string       `json:"pattern,omitempty"`
	Enum                 []any        `json:"enum,omitempty"`
	Const                any          `json:"const,omitempty"`
	Default              any          `json:"default,omitempty"`
	Minimum              *float64     `json:"minimum,omitempty"`
	ExclusiveMinimum     *float64     `json:"exclusiveMinimum,omitempty"`
	Maximum              *float64     `json:"maximum,omitempty"`
	MinLength            int          `json:"minLength,omitempty"`
	MaxLength            int          `json:"maxLength,omitempty"`
	MinItems             int          `json:"minItems,omitempty"`
	MaxItems             int          `json:"maxItems,omitempty"`
	PrefixItems          []*Schema    `json:"prefixItems,omitempty"`
	Items                *Schema      `json:"items,omitempty"`
	Properties           Map[*Schema] `json:"properties,omitempty"`
	Required             []string     `json:"required,omitempty"`
	AdditionalProperties any          `json:"additionalProperties,omitempty"` // a bool or a *Schema
	OneOf                []*Schema    `json:"oneOf,omitempty"`
	AnyOf                []*Schema    `json:"anyOf,omitempty"`
	Examples             []any        `json:"examples,omitempty"`
}

// Types are the JSON types of a value: one is written as a string, several as a list.
type Types []string

// MarshalJSON writes one type as a string.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// Ref refers to a shared schema.
func Ref(name string) *Schema { return &Schema{Ref: "#/components/schemas/" + name} }
