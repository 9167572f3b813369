package auth

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/coingraph/coingraph/fault"
)

// FuzzToken shows texts that nobody signed: none gets in, whatever its form.
func FuzzToken(f *testing.F) {
	j, err := NewJWT(JWTOptions{Secret: "a-secret-of-more-than-32-bytes-which-fuzzing-does-not-know"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", ".", "..", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2V9.e30.AAAA",
		"eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiZXhwIl19.e30.AAAA", `{"payload":"e30","protected":"e30","signature":"AAAA"}`, "bnVsbA.bnVsbA.AAAA",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA", "a.b.c.d.e", "é.é.é",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if actor, err := j.Authenticate(t.Context(), token); !fault.Is(err, fault.Unauthenticated) || actor != (Actor{}) {
			t.Errorf("got %+v %v", actor, err)
		}
		if h, ok := readHeader(token); ok && (h.alg == "" && !strings.Contains(token, ".") || strings.Count(token, ".") != 2) {
			t.Errorf("read %+v", h)
		}
	})
}

// FuzzClaims reads what a trusted issuer might sign by mistake: what comes out is fit for logs and keys of limits.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", `{"sub":"a"}`, `{"sub":"a","role":"admin"}`, `{"sub":"a","role":["admin"],"tier":"admin"}`, `{"sub":"a\u0000"}`,
		`{"sub":"a","exp":"1"}`, `{"sub":"a","exp":-1e9,"nbf":null}`, `{"sub":"a","sub":"b"}`, `{"sub":"\ud800"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		c, ok := readClaims("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".AAAA")
		if !ok {
			if c != (claims{}) {
				t.Errorf("refused, and yet %+v", c)
			}
			return
		}
		if !validSubject(c.subject) || !tierForm.MatchString(c.tier) || c.role == User && c.tier == AdminTier || c.role != User && c.role != Admin {
			t.Errorf("read %+v", c)
		}
	})
}

// FuzzJWKS reads what a provider might serve.
func FuzzJWKS(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", `{"keys":null}`, `{"keys":[]}`, `{"keys":[{}]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, `{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","kid":"a"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := readJWKS(body, nil)
		for name := range keys {
			if err != nil || name.alg != rs256 && name.alg != es256 {
				t.Errorf("read %+v, %v", name, err)
			}
		}
	})
}
