package web

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

const (
	shapeVariables = 20  // of a request, in its line
	shapeBytes     = 512 // of all of them
)

// isName tells whether a key of the variables has the form of a GraphQL name. Another one is nobody's variable, and may be
// anything.
func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', i > 0 && '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return 0 < len(s) && len(s) <= 64
}

// shapeOf says what variables are without saying what is in them: "assets=list(2) days=number id=string(7)".
func shapeOf(variables map[string]any) string {
	if len(variables) == 0 {
		return ""
	}
	b := make([]byte, 0, 24*len(variables))
	for n, name := range slices.Sorted(maps.Keys(variables)) {
		if n == shapeVariables || len(b) > shapeBytes {
			b = append(b, " …"...)
			break
		}
		if n > 0 {
			b = append(b, ' ')
		}
		value := variables[name]
		if !isName(name) {
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
