package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/coingraph/coingraph/fault"
)

const (
	maxJSONDepth = 64 // of objects and lists in each other: far more than any input of the schema needs
	maxKeyShown  = 64 // bytes of a client's key in an error

	wholeBody    = "body" // what a fault of a request's body as a whole is said to be in
	mustBeObject = "must be a JSON object"
)

// readObject reads a JSON object as encoding/json reads one into a map, with json.Number for numbers, but refuses what
// readers of JSON understand differently, so that whatever stands in front of this service has seen the same request: a
// key given twice (https://www.rfc-editor.org/rfc/rfc8259#section-4) and bytes that are not UTF-8 (section 8.1).
//
// It fails with fault.BadInput for the field, or for the place in it where a key is given twice. Of the text it repeats
// keys only.
func readObject(field string, text []byte) (map[string]any, error) {
	if object, ok := readQuickly(text); ok {
		return object, nil
	}
	return readCarefully(field, text)
}

// quickReaders are decoders that were used before.
var quickReaders = sync.Pool{New: func() any { return &quickReader{decoder: jsontext.NewDecoder(bytes.NewReader(nil))} }}

type quickReader struct {
	decoder *jsontext.Decoder
	text    bytes.Buffer
}

// readQuickly reads an object that nothing is wrong with. What is wrong with another, readCarefully says: jsontext names no
// key that was given twice.
func readQuickly(text []byte) (map[string]any, bool) {
	r := quickReaders.Get().(*quickReader)
	defer quickReaders.Put(r)
	r.text = *bytes.NewBuffer(text)
	r.decoder.Reset(&r.text)
	defer func() { r.text = bytes.Buffer{}; r.decoder.Reset(&r.text) }() // lets go of the text
	value, ok := r.value(0)
	object, isObject := value.(map[string]any)
	if !ok || !isObject {
		return nil, false
	}
	_, err := r.decoder.ReadToken()
	return object, errors.Is(err, io.EOF)
}

func (r *quickReader) value(depth int) (any, bool) {
	token, err := r.decoder.ReadToken()
	if err != nil {
		return nil, false
	}
	kind := token.Kind()
	if (kind == jsontext.KindBeginArray || kind == jsontext.KindBeginObject) && depth == maxJSONDepth {
		return nil, false
	}
	switch kind {
	case jsontext.KindString:
		return token.String(), true
	case jsontext.KindNumber:
		return json.Number(token.String()), true
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), true
	case jsontext.KindNull:
		return nil, true
	case jsontext.KindBeginArray:
		list := []any{}
		for r.decoder.PeekKind() != jsontext.KindEndArray {
			value, ok := r.value(depth + 1)
			if !ok {
				return nil, false
			}
			list = append(list, value)
		}
		_, err = r.decoder.ReadToken()
		return list, err == nil
	case jsontext.KindBeginObject:
		object := make(map[string]any, 4)
		for r.decoder.PeekKind() != jsontext.KindEndObject {
			name, err := r.decoder.ReadToken()
			if err != nil {
				return nil, false
			}
			key := name.String()
			value, ok := r.value(depth + 1)
			if !ok {
				return nil, false
			}
			object[key] = value
		}
		_, err = r.decoder.ReadToken()
		return object, err == nil
	}
	return nil, false
}

func readCarefully(field string, text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, invalid(field, "must be in UTF-8")
	}
	r := objectReader{tokens: json.NewDecoder(bytes.NewReader(text))}
	r.tokens.UseNumber()
	if field != wholeBody {
		r.path = append(r.path, field)
	}
	value, err := r.value()
	if fault.Is(err, fault.BadInput) {
		return nil, err
	}
	if err == nil {
		_, err = r.tokens.Token()
	}
	object, ok := value.(map[string]any)
	if !ok || !errors.Is(err, io.EOF) {
		return nil, invalid(field, mustBeObject) // the error's own text would repeat the client's
	}
	return object, nil
}

// objectReader walks through the tokens of a JSON text.
type objectReader struct {
	tokens *json.Decoder
	path   []string // the keys that lead to the value
	depth  int
}

func (r *objectReader) value() (any, error) {
	token, err := r.tokens.Token()
	if err != nil {
		return nil, err
	}
	opening, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if r.depth == maxJSONDepth {
		return nil, invalid(r.where(1), "is nested too deep")
	}
	r.depth++
	defer func() { r.depth-- }()
	if opening == '[' {
		return r.list()
	}
	return r.object()
}

func (r *objectReader) list() (any, error) {
	list := []any{}
	for r.tokens.More() {
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	if _, err := r.tokens.Token(); err != nil { // the closing bracket
		return nil, err
	}
	return list, nil
}

func (r *objectReader) object() (any, error) {
	object := make(map[string]any)
	for r.tokens.More() {
		token, err := r.tokens.Token()
		if err != nil {
			return nil, err
		}
		key := token.(string) // the decoder takes nothing else here
		r.path = append(r.path, key)
		if _, twice := object[key]; twice {
			return nil, invalid(r.where(len(r.path)), "must be given once")
		}
		if object[key], err = r.value(); err != nil {
			return nil, err
		}
		r.path = r.path[:len(r.path)-1]
	}
	if _, err := r.tokens.Token(); err != nil { // the closing brace
		return nil, err
	}
	return object, nil
}

// where names the place that the first n keys of the path lead to.
func (r *objectReader) where(n int) string {
	if len(r.path) == 0 {
		return wholeBody
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = shown(r.path[i])
	}
	return strings.Join(keys, ".")
}

// shown is as much of a client's key as an error repeats.
func shown(key string) string {
	if len(key) <= maxKeyShown {
		return key
	}
	return strings.ToValidUTF8(key[:maxKeyShown], "") + "…"
}
