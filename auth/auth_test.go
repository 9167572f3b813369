package auth

import (
	"context"
	"strings"
	"testing"

	"github.com/coingraph/coingraph/fault"
)

func TestAuthenticate(t *testing.T) {
	keys := NewKeys([]Key{{"web", "public", "secret-of-the-frontend"}, {"ops", "admin", "secret-of-the-admins"}})
	for secret, want := range map[string]Actor{
		"secret-of-the-frontend": {"web", "public", User, "web"},
		"secret-of-the-admins":   {"ops", "admin", Admin, "ops"},
	} {
		if got, err := keys.Authenticate(secret); err != nil || got != want {
			t.Errorf("got %+v %v, want %+v", got, err, want)
		}
	}
	for _, wrong := range []string{"", "secret", "Secret-of-the-frontend", "secret-of-the-frontend ", " secret-of-the-frontend", "secret-of-the-frontend\x00", strings.Repeat("x", 1<<20)} {
		if got, err := keys.Authenticate(wrong); !fault.Is(err, fault.Unauthenticated) || got != (Actor{}) {
			t.Errorf("%.30q: got %+v %v", wrong, got, err)
		}
	}
	if _, err := NewKeys(nil).Authenticate(""); !fault.Is(err, fault.Unauthenticated) {
		t.Error("no keys let the empty key in")
	}
	if _, err := NewKeys([]Key{{"odd", "public", ""}}).Authenticate(""); !fault.Is(err, fault.Unauthenticated) {
		t.Error("an empty key was let in")
	}
}

func TestRequire(t *testing.T) {
	with := func(r Role) context.Context { return WithActor(context.Background(), Actor{ID: "x", Role: r}) }
	for _, c := range []struct {
		name   string
		ctx    context.Context
		needed Role
		want   fault.Kind
	}{
		{"nobody", context.Background(), User, fault.Unauthenticated},
		{"nobody for admin", context.Background(), Admin, fault.Unauthenticated},
		{"user for admin", with(User), Admin, fault.Forbidden},
		{"a role that does not exist", with("admin"), User, fault.Forbidden},
	} {
		if err := Require(c.ctx, c.needed); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, c := range []struct{ have, needed Role }{{User, User}, {Admin, User}, {Admin, Admin}} {
		if err := Require(with(c.have), c.needed); err != nil {
			t.Errorf("%s may do what needs %s: %v", c.have, c.needed, err)
		}
	}
}
