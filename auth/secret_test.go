package auth

import (
	"strings"
	"testing"
)

func TestNewSecret(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		s, id := NewSecret(), newID()
		if !LooksLikeSecret(s) || len(s) != 43 || !strings.HasPrefix(s, "cg_") {
			t.Fatalf("%q does not look like a secret", s)
		}
		if !looksLikeID(id) || len(id) != 20 || !nameForm.MatchString(id) {
			t.Fatalf("%q does not look like an id", id)
		}
		if seen[s] || seen[id] {
			t.Fatal("made twice")
		}
		seen[s], seen[id] = true, true
	}
}

// TestTypos changes each character of a secret in each way that a hand or a terminal might.
func TestTypos(t *testing.T) {
	s := NewSecret()
	wrong := []string{"", "cg_", s[:len(s)-1], s + "0", s + " ", " " + s, s + "\n", "CG_" + s[3:], strings.ToUpper(s), s[3:], s[:10] + "\n" + s[11:], s[:41] + "\r\n"}
	for i := range s {
		for _, c := range "0o1ilLaA9z _-é\x00=" {
			if typo := s[:i] + string(c) + s[i+1:]; typo != s {
				wrong = append(wrong, typo)
			}
		}
		if i > 0 && s[i] != s[i-1] {
			wrong = append(wrong, s[:i-1]+s[i:i+1]+s[i-1:i]+s[i+1:])
		}
	}
	for _, w := range wrong {
		if LooksLikeSecret(w) {
			t.Errorf("%q looks like a secret; the right one is %q", w, s)
		}
	}
}

// TestChecksum is the form itself: a scanner's pattern and old keys rely on it.
func TestChecksum(t *testing.T) {
	const known = "cg_00000000000000000000000000000000010g9hcb"
	if !LooksLikeSecret(known) {
		b := make([]byte, randomBytes)
		t.Errorf("%q is of 21 zero bytes and their CRC-32; it is %q now", known, encodeSecret(b))
	}
}

func FuzzLooksLikeSecret(f *testing.F) {
	for _, seed := range []string{"", "cg_", NewSecret(), strings.ToUpper(NewSecret()), "cg_" + strings.Repeat("0", 40), "cg_\n" + strings.Repeat("z", 39)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !LooksLikeSecret(s) {
			return
		}
		b, err := crockford.DecodeString(s[len(secretPrefix):])
		if err != nil || encodeSecret(b[:randomBytes]) != s {
			t.Errorf("%q is a secret in two forms", s)
		}
	})
}
