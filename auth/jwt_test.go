package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/jwtauth/v5"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

const (
	current  = "the-current-secret-of-more-than-32-bytes"
	previous = "the-previous-secret-of-more-than-32-bytes"
)

// signer signs a token's first two parts.
type signer func(input string) []byte

func mac(h func() hash.Hash, secret string) signer {
	return func(input string) []byte {
		m := hmac.New(h, []byte(secret))
		m.Write([]byte(input))
		return m.Sum(nil)
	}
}

func withSecret(secret string) signer { return mac(sha256.New, secret) }

func withRSA(key *rsa.PrivateKey) signer {
	return func(input string) []byte {
		digest := sha256.Sum256([]byte(input))
		b, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			panic(err)
		}
		return b
	}
}

// withEC signs as RFC 7518, section 3.4, has it: r and s, 32 bytes each.
func withEC(key *ecdsa.PrivateKey) signer {
	return func(input string) []byte {
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			panic(err)
		}
		b := make([]byte, 64)
		r.FillBytes(b[:32])
		s.FillBytes(b[32:])
		return b
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func token(header, payload string, sign signer) string {
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	return input + "." + encode(sign(input))
}

// payload is valid for ten minutes, with what changes it: "name", value pairs; a nil value takes the claim out.
func payload(t *testing.T, changes ...any) string {
	t.Helper()
	c := map[string]any{"sub": "alice", "exp": time.Now().Add(10 * time.Minute).Unix()}
	for i := 0; i < len(changes); i += 2 {
		c[changes[i].(string)] = changes[i+1]
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const hs256Header = `{"alg":"HS256","typ":"JWT"}`

func newJWT(t *testing.T, o auth.JWTOptions) *auth.JWT {
	t.Helper()
	j, err := auth.NewJWT(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// wantRefused wants the refusal that says nothing, neither outside nor, of the token, inside.
func wantRefused(t *testing.T, j *auth.JWT, token string) {
	t.Helper()
	actor, err := j.Authenticate(t.Context(), token)
	if !fault.Is(err, fault.Unauthenticated) || actor != (auth.Actor{}) {
		t.Fatalf("%.200q: got %+v %v", token, actor, err)
	}
	if f := fault.Of(err); f.Safe() != fault.Unauthenticated.Message() || f.Cause == nil {
		t.Errorf("it says %q, because of %v", f.Safe(), f.Cause)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("the error holds a part of the token: %v", err)
		}
	}
}

func TestA3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJWT(t, auth.JWTOptions{Secret: current})
		at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		text := func(d time.Duration) string { return fmt.Sprint(at(d)) }
		for _, c := range []struct {
			name    string
			changes []any
			valid   bool
		}{
			{"plain", nil, true},
			{"all times", []any{"nbf", at(0), "iat", at(0)}, true},
			{"exp with a fraction", []any{"exp", float64(at(600)) + 0.5}, true},
			{"exp as 1e10", []any{"exp", json.RawMessage("1e10")}, true},
			{"other claims", []any{"scope", "a b", "nested", map[string]any{"exp": 0}}, true},

			{"just over, within the leeway", []any{"exp", at(-20 * time.Second)}, true},
			{"nbf just ahead, within the leeway", []any{"nbf", at(20 * time.Second)}, true},
			{"over for a minute", []any{"exp", at(-time.Minute)}, false},
			{"nbf a minute ahead", []any{"nbf", at(time.Minute + time.Second)}, false},
			{"iat a minute ahead", []any{"iat", at(time.Minute + time.Second)}, false},
			{"over for a year", []any{"exp", at(-8760 * time.Hour)}, false},

			{"no exp", []any{"exp", nil}, false},
			{"EXP", []any{"exp", nil, "EXP", at(time.Hour)}, false},
			{"exp as text", []any{"exp", text(time.Hour)}, false},
			{"exp as RFC 3339", []any{"exp", time.Now().Add(time.Hour)}, false},
			{"exp null", []any{"exp", json.RawMessage("null")}, false},
			{"exp true", []any{"exp", true}, false},
			{"exp in a list", []any{"exp", []int64{at(time.Hour)}}, false},
			{"exp zero", []any{"exp", 0}, false},
			{"exp negative", []any{"exp", -1}, false},
			{"exp beyond int64", []any{"exp", json.RawMessage("1e300")}, false},
			{"nbf as text", []any{"nbf", text(-time.Hour)}, false},
			{"nbf null", []any{"nbf", json.RawMessage("null")}, false},
			{"iat as text", []any{"iat", text(-time.Hour)}, false},

			{"no sub", []any{"sub", nil}, false},
			{"sub empty", []any{"sub", ""}, false},
			{"sub a number", []any{"sub", 7}, false},
			{"sub with a blank", []any{"sub", "a b"}, false},
			{"sub with a brace", []any{"sub", "a}"}, false},
			{"sub with NUL", []any{"sub", "a\x00"}, false},
			{"sub with a line feed", []any{"sub", "a\nb"}, false},
			{"sub beyond ASCII", []any{"sub", "ålice"}, false},
			{"sub of 255", []any{"sub", strings.Repeat("s", 255)}, true},
			{"sub of 256", []any{"sub", strings.Repeat("s", 256)}, false},
		} {
			tok := token(hs256Header, payload(t, c.changes...), withSecret(current))
			if !c.valid {
				wantRefused(t, j, tok)
			} else if _, err := j.Authenticate(t.Context(), tok); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

func TestLeewayIsNeverOverAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJWT(t, auth.JWTOptions{Secret: current})
		tok := token(hs256Header, payload(t), withSecret(current))
		<-time.After(10 * time.Minute)
		after := time.Duration(0)
		for ; after <= time.Hour; after += time.Second {
			if _, err := j.Authenticate(t.Context(), tok); err != nil {
				break
			}
			<-time.After(time.Second)
		}
		if after == 0 || after > time.Minute {
			t.Errorf("valid for %s after its end", after)
		}
		if _, err := j.Authenticate(t.Context(), tok); !errors.Is(err, jwtauth.ErrExpired) {
			t.Errorf("the log would say %v", err)
		}
	})
}

func TestA4(t *testing.T) {
	j := newJWT(t, auth.JWTOptions{Secret: current, Previous: previous})
	p := payload(t)
	none := func(string) []byte { return nil }
	good := token(hs256Header, p, withSecret(current))
	if _, err := j.Authenticate(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for _, alg := range []string{"none", "None", "nOnE", "", "hs256", "HS256 ", "HS384", "RS256", "ES256", "PS256", "EdDSA", "dir"} {
		header, err := json.Marshal(map[string]string{"alg": alg})
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, j, token(string(header), p, none))
		wantRefused(t, j, token(string(header), p, withSecret(current)))
		wantRefused(t, j, token(string(header), p, withSecret("")))
	}
	for _, wrong := range []string{
		token(hs256Header, p, none), token(hs256Header, p, withSecret("")), token(hs256Header, p, withSecret(current+"x")),
		token(`{"typ":"JWT"}`, p, withSecret(current)), token(`{"ALG":"HS256"}`, p, withSecret(current)),
		token(`{"alg":["HS256"]}`, p, withSecret(current)), token(`{"alg":null}`, p, withSecret(current)),
		token(`null`, p, withSecret(current)), token(`[]`, p, withSecret(current)), token(`"HS256"`, p, withSecret(current)),
		token(`{"alg":"HS256","crit":["exp"]}`, p, withSecret(current)), token(`{"alg":"HS256","crit":[]}`, p, withSecret(current)),
		token(`{"alg":"HS256","b64":false}`, p, withSecret(current)), token(`{"alg":"HS256","kid":7}`, p, withSecret(current)),
		parts[0] + "." + encode([]byte(payload(t, "role", "admin"))) + "." + parts[2],
		parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".", "." + parts[1] + "." + parts[2], ".." + parts[2], good + ".", good + "." + parts[2] + "." + parts[2],
		good + "=", " " + good, good + " ", good + "\n", strings.Replace(good, ".", ". ", 1), "", ".", "..", "...", "é.é.é", "\x00",
		`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		token(hs256Header, good, withSecret(current)), // a token in a token
		token(hs256Header, "null", withSecret(current)), token(hs256Header, "[]", withSecret(current)), token(hs256Header, "", withSecret(current)),
		token(hs256Header, payload(t, "x", strings.Repeat("x", 8<<10)), withSecret(current)), // right, but too long
		strings.Repeat(".", 1<<20), strings.Repeat("a", 1<<20),
	} {
		wantRefused(t, j, wrong)
	}
}

func TestA5(t *testing.T) {
	key := rsaKey(t)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	canary, calls := listen(t, nil)
	provider, fetches := listen(t, jwks(rsaJWK("one", &key.PublicKey)))
	j := newJWT(t, auth.JWTOptions{Secret: current, JWKSURL: provider, Loopback: true})
	p := payload(t, "role", "admin")

	for _, secret := range []string{public, strings.TrimSpace(public), string(der), encode(key.N.Bytes())} {
		for _, alg := range []string{"HS256", "RS256"} {
			wantRefused(t, j, token(`{"alg":"`+alg+`","kid":"one"}`, p, withSecret(secret)))
		}
	}
	wantRefused(t, j, token(`{"alg":"HS512"}`, p, mac(sha512.New, current)))
	wantRefused(t, j, token(`{"alg":"HS512"}`, p, withSecret(current))) // the name alone
	wantRefused(t, j, token(`{"alg":"HS384"}`, p, mac(sha512.New384, current)))
	wantRefused(t, j, token(hs256Header, p, withRSA(key)))
	wantRefused(t, j, token(`{"alg":"PS256","kid":"one"}`, p, withRSA(key)))
	wantRefused(t, j, token(`{"alg":"RS512","kid":"one"}`, p, withRSA(key)))
	wantRefused(t, j, token(`{"alg":"ES256","kid":"one"}`, p, withRSA(key)))

	for _, kid := range []string{"../../dev/null", "/dev/null", "' OR 1=1 --", "one' UNION SELECT 'x", "one\x00", canary, "ONE", strings.Repeat("k", 4000)} {
		b, err := json.Marshal(kid)
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, j, token(`{"alg":"RS256","kid":`+string(b)+`}`, p, withRSA(rsaKey(t))))
		wantRefused(t, j, token(`{"alg":"RS256","kid":`+string(b)+`}`, p, withSecret("")))
	}
	foreign := rsaKey(t)
	own := rsaJWK("one", &foreign.PublicKey)
	for _, extra := range []string{
		`"jku":"` + canary + `"`, `"x5u":"` + canary + `"`, `"jwk":` + own, `"x5c":["` + base64.StdEncoding.EncodeToString(der) + `"]`,
		`"jku":"` + canary + `","x5u":"` + canary + `","jwk":` + own, `"iss":"` + canary + `"`,
	} {
		wantRefused(t, j, token(`{"alg":"RS256","kid":"one",`+extra+`}`, p, withRSA(foreign)))
		wantRefused(t, j, token(`{"alg":"RS256",`+extra+`}`, p, withRSA(foreign)))
		wantRefused(t, j, token(`{"alg":"HS256",`+extra+`}`, p, withSecret("")))
		// They are passed over, not believed: the right key does.
		if _, err := j.Authenticate(t.Context(), token(`{"alg":"RS256","kid":"one",`+extra+`}`, p, withRSA(key))); err != nil {
			t.Errorf("%.40s: %v", extra, err)
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("the canary was called %d times", n)
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("the JWKS was fetched %d times", n)
	}
}

func TestA6(t *testing.T) {
	j := newJWT(t, auth.JWTOptions{Secret: current})
	for _, c := range []struct {
		role, tier any
		want       auth.Role
		wantTier   string
	}{
		{"admin", nil, auth.Admin, "admin"},
		{"admin", "public", auth.Admin, "public"},
		{"user", nil, auth.User, "standard"},
		{"user", "public", auth.User, "public"},
		{nil, nil, auth.User, "standard"},
		{"user", "admin", auth.User, "standard"},
		{nil, "admin", auth.User, "standard"},
		{"ADMIN", nil, auth.User, "standard"},
		{"Admin", "admin", auth.User, "standard"},
		{"admin ", nil, auth.User, "standard"},
		{" admin", nil, auth.User, "standard"},
		{"admin\x00", nil, auth.User, "standard"},
		{"", nil, auth.User, "standard"},
		{[]string{"admin"}, nil, auth.User, "standard"},
		{map[string]string{"role": "admin"}, nil, auth.User, "standard"},
		{map[string]bool{"admin": true}, nil, auth.User, "standard"},
		{true, nil, auth.User, "standard"},
		{1, nil, auth.User, "standard"},
		{json.RawMessage("null"), nil, auth.User, "standard"},
		{"user", "Public", auth.User, "standard"},
		{"user", "pub lic", auth.User, "standard"},
		{"user", "admin ", auth.User, "standard"},
		{"user", []string{"public"}, auth.User, "standard"},
		{"user", "", auth.User, "standard"},
		{"admin", "*", auth.Admin, "admin"},
	} {
		tok := token(hs256Header, payload(t, "role", c.role, "tier", c.tier, "ROLE", "admin", "realm_access", map[string]any{"roles": []string{"admin"}}), withSecret(current))
		got, err := j.Authenticate(t.Context(), tok)
		if want := (auth.Actor{ID: "jwt:alice", Tier: c.wantTier, Role: c.want, Name: "alice"}); got != want || err != nil {
			t.Errorf("role %v, tier %v: got %+v %v, want %+v", c.role, c.tier, got, err, want)
		}
		err = auth.Require(auth.WithActor(t.Context(), got), auth.Admin)
		if c.want == auth.Admin && err != nil || c.want == auth.User && !fault.Is(err, fault.Forbidden) {
			t.Errorf("role %v where admin is needed: %v", c.role, err)
		}
	}
}

func TestIssuerAndAudience(t *testing.T) {
	const iss, aud = "https://id.example.com/", "coingraph"
	for _, c := range []struct {
		name             string
		issuer, audience string
		changes          []any
		valid            bool
	}{
		{"not asked for", "", "", []any{"iss", "anybody", "aud", "anything"}, true},
		{"both right", iss, aud, []any{"iss", iss, "aud", aud}, true},
		{"one of several audiences", iss, aud, []any{"iss", iss, "aud", []string{"x", aud}}, true},
		{"none", iss, aud, nil, false},
		{"no audience", "", aud, nil, false},
		{"no issuer", iss, "", nil, false},
		{"another issuer", iss, "", []any{"iss", "https://id.example.com"}, false},
		{"issuer in other case", iss, "", []any{"iss", strings.ToUpper(iss)}, false},
		{"issuer in a list", iss, "", []any{"iss", []string{iss}}, false},
		{"another audience", "", aud, []any{"aud", "coingraph2"}, false},
		{"other audiences", "", aud, []any{"aud", []string{"x", "coin"}}, false},
		{"no audiences", "", aud, []any{"aud", []string{}}, false},
	} {
		j := newJWT(t, auth.JWTOptions{Secret: current, Issuer: c.issuer, Audience: c.audience})
		tok := token(hs256Header, payload(t, c.changes...), withSecret(current))
		if !c.valid {
			wantRefused(t, j, tok)
		} else if _, err := j.Authenticate(t.Context(), tok); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPreviousSecret(t *testing.T) {
	j := newJWT(t, auth.JWTOptions{Secret: current, Previous: previous})
	for _, secret := range []string{current, previous} {
		if _, err := j.Authenticate(t.Context(), token(hs256Header, payload(t), withSecret(secret))); err != nil {
			t.Error(err)
		}
		wantRefused(t, j, token(hs256Header, payload(t, "exp", nil), withSecret(secret)))
	}
	wantRefused(t, j, token(hs256Header, payload(t), withSecret("the-one-before-the-previous-secret!!!!")))
	minted, err := j.Mint(auth.User, "alice", "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newJWT(t, auth.JWTOptions{Secret: current}).Authenticate(t.Context(), minted); err != nil {
		t.Errorf("it was not the current secret that signed: %v", err)
	}
	wantRefused(t, newJWT(t, auth.JWTOptions{Secret: previous}), minted)
}

func TestWithoutSecret(t *testing.T) {
	j := newJWT(t, auth.JWTOptions{})
	wantRefused(t, j, token(hs256Header, payload(t), withSecret("")))
	wantRefused(t, j, token(`{"alg":"RS256"}`, payload(t), withRSA(rsaKey(t))))
	if tok, err := j.Mint(auth.User, "alice", "", time.Hour); err == nil || tok != "" {
		t.Errorf("minted %q", tok)
	}
	if _, err := newJWT(t, auth.JWTOptions{Previous: previous}).Mint(auth.User, "alice", "", time.Hour); err == nil {
		t.Error("the previous secret signed")
	}
}

func TestMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJWT(t, auth.JWTOptions{Secret: current, Issuer: "https://id.example.com/", Audience: "coingraph"})
		for _, c := range []struct {
			role auth.Role
			tier string
			want auth.Actor
		}{
			{auth.User, "", auth.Actor{ID: "jwt:a|b", Tier: "standard", Role: auth.User, Name: "a|b"}},
			{auth.User, "public", auth.Actor{ID: "jwt:a|b", Tier: "public", Role: auth.User, Name: "a|b"}},
			{auth.Admin, "", auth.Actor{ID: "jwt:a|b", Tier: "admin", Role: auth.Admin, Name: "a|b"}},
		} {
			tok, err := j.Mint(c.role, "a|b", c.tier, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := j.Authenticate(t.Context(), tok); got != c.want || err != nil {
				t.Errorf("got %+v %v, want %+v", got, err, c.want)
			}
		}
		tok, err := j.Mint(auth.User, "a", "", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour + time.Minute)
		wantRefused(t, j, tok)
	})
	j := newJWT(t, auth.JWTOptions{Secret: current})
	for _, c := range []struct {
		role      auth.Role
		sub, tier string
		ttl       time.Duration
		fields    string
	}{
		{"", "", "X", 0, "role sub tier ttl"},
		{"admin", "a", "", time.Hour, "role"},
		{auth.User, "a b", "", time.Hour, "sub"},
		{auth.User, "a", "admin", time.Hour, "tier"},
		{auth.User, "a", "", -time.Hour, "ttl"},
	} {
		tok, err := j.Mint(c.role, c.sub, c.tier, c.ttl)
		var fields []string
		if f := fault.Of(err); f != nil {
			for _, field := range f.Fields {
				fields = append(fields, field.Field)
			}
		}
		if tok != "" || !fault.Is(err, fault.BadInput) || strings.Join(fields, " ") != c.fields {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
