package web

import (
	"reflect"
	"strings"
	"testing"
)

// FuzzReadQuickly: what is read quickly is what is read with care, and nothing that is refused with care is read quickly.
func FuzzReadQuickly(f *testing.F) {
	nested := func(n int) string { return `{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	for _, text := range []string{
		`{"query":"{a}","variables":{"ids":["bitcoin","\u00e9\ud83d\ude00"],"n":-1.5e+10,"ok":true,"no":false,"none":null,"o":{}}}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":01}`, `{"a":1}{}`, `{"a":1} `, `[]`, `null`, ``, `{`, `{"a":"` + "\x01" + `"}`,
		nested(maxJSONDepth - 2), nested(maxJSONDepth - 1), nested(maxJSONDepth), nested(maxJSONDepth + 1), `{"":{"":[{}]}}`, `{"a":1e999}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		quick, ok := readQuickly(text)
		if !ok {
			return
		}
		careful, err := readCarefully(wholeBody, text)
		if err != nil || !reflect.DeepEqual(quick, careful) {
			t.Errorf("%q: quickly %v, with care %v, %v", text, quick, careful, err)
		}
	})
}

// TestReadQuickly: what clients send is read quickly.
func TestReadQuickly(t *testing.T) {
	if _, ok := readQuickly([]byte(`{"query":"{a}","variables":{"ids":["bitcoin"],"n":1},"extensions":null} ` + "\n")); !ok {
		t.Error("not read quickly")
	}
}
