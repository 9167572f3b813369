package resolvers

import (
	"reflect"
	"testing"

	"github.com/coingraph/coingraph/graph"
)

// TestNoDirectiveIsNil: gqlgen answers "directive x is not implemented", under 200, where one is.
func TestNoDirectiveIsNil(t *testing.T) {
	v := reflect.ValueOf(directives())
	if v.NumField() != reflect.TypeFor[graph.DirectiveRoot]().NumField() || v.NumField() == 0 {
		t.Fatalf("%d directives", v.NumField())
	}
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			t.Errorf("the directive %s has no implementation", v.Type().Field(i).Name)
		}
	}
}

// TestTokensAreCountedAsFarAsNeeded: the limit itself is allowed, one more is not.
func TestTokensAreCountedAsFarAsNeeded(t *testing.T) {
	if err := checkTokens("{ a }", 3); err != nil {
		t.Error(err)
	}
	if err := checkTokens("{ a b }", 3); err == nil {
		t.Error("four tokens of three")
	}
	if err := checkTokens("{ \x00", 3); err != nil {
		t.Error("what cannot be read is the parser's to say:", err)
	}
}
