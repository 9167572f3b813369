package web

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

const (
	shapeVariables = 20  // of a request, in its line
	shapeBytes     = 512 // of all of them
)

// nameForm is that of a GraphQL name. Another key of the variables is nobody's variable, and may be anything.
var nameForm = regexp.MustCompile(`^[_A-Za-z][_0-9A-Za-z]{0,63}$`)

// shapeOf says what variables are without saying what is in them: "assets=list(2) days=number id=string(7)".
func shapeOf(variables map[string]any) string {
	if len(variables) == 0 {
		return ""
	}
	var b []byte
	for n, name := range slices.Sorted(maps.Keys(variables)) {
		if n == shapeVariables || len(b) > shapeBytes {
			b = append(b, " …"...)
			break
		}
		if n > 0 {
			b = append(b, ' ')
		}
		value := variables[name]
		if !nameForm.MatchString(name) {
			name = "?"
		}
		b = append(append(b, name...), '=')
		b = appendShape(b, value)
	}
	return string(b)
}

func appendShape(b []byte, v any) []byte {
	sized := func(kind string, n int) []byte {
		b = append(append(b, kind...), '(')
		return append(strconv.AppendInt(b, int64(n), 10), ')')
	}
	switch v := v.(type) {
	case string:
		return sized("string", len(v))
	case []any:
		return sized("list", len(v))
	case map[string]any:
		return sized("object", len(v))
	case bool:
		return append(b, "boolean"...)
	case nil:
		return append(b, "null"...)
	case json.Number, float64, int, int64:
		return append(b, "number"...)
	}
	return append(b, "other"...)
}
