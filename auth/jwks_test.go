package auth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

// listen starts a server on loopback that counts its requests; without a handler it answers 404.
func listen(t *testing.T, h http.Handler) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	if h == nil {
		h = http.NotFoundHandler()
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

func jwks(keys ...string) http.HandlerFunc { return body(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func rsaJWK(kid string, key *rsa.PublicKey, more ...string) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q%s}`, kid, encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes()), members(more))
}

func ecJWK(t *testing.T, kid string, key *ecdsa.PublicKey, more ...string) string {
	t.Helper()
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	n := len(point) / 2
	return fmt.Sprintf(`{"kty":"EC","crv":%q,"kid":%q,"x":%q,"y":%q%s}`, key.Params().Name, kid, encode(point[1:1+n]), encode(point[1+n:]), members(more))
}

func members(more []string) string {
	var b strings.Builder
	for _, m := range more {
		b.WriteString("," + m)
	}
	return b.String()
}

// clock is a time that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func header(alg, kid string) string { return fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, kid) }

func wantActor(t *testing.T, j *auth.JWT, token string) {
	t.Helper()
	want := auth.Actor{ID: "jwks:alice", Tier: "standard", Role: auth.User, Name: "alice"}
	if got, err := j.Authenticate(t.Context(), token); got != want || err != nil {
		t.Fatalf("got %+v %v, want %+v", got, err, want)
	}
}

func TestJWKS(t *testing.T) {
	one, two, ec, other := rsaKey(t), rsaKey(t), ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	enc, ops, ps, same := rsaKey(t), rsaKey(t), rsaKey(t), rsaKey(t)
	url, fetches := listen(t, jwks(
		`{"kty":"AKP","kid":"new","alg":"ML-DSA-44","pub":"AAAA"}`, `{"kty":"RSA","kid":"broken","n":"!","e":"AQAB"}`, `7`, `null`, `{}`,
		`{"kty":"oct","kid":"shared","alg":"HS256","k":"`+encode([]byte(current))+`"}`,
		rsaJWK("one", &one.PublicKey, `"use":"sig"`, `"alg":"RS256"`, `"x5u":"http://127.0.0.1:1/"`), rsaJWK("two", &two.PublicKey, `"key_ops":["verify"]`),
		ecJWK(t, "ec", &ec.PublicKey), ecJWK(t, "p384", &other.PublicKey), rsaJWK("short", &short.PublicKey),
		rsaJWK("enc", &enc.PublicKey, `"use":"enc"`), rsaJWK("ops", &ops.PublicKey, `"key_ops":["encrypt"]`), rsaJWK("ps", &ps.PublicKey, `"alg":"PS256"`),
		rsaJWK("one", &same.PublicKey),
	))
	j := newJWT(t, auth.JWTOptions{JWKSURL: url, Loopback: true})
	p := payload(t)
	if fetches.Load() != 0 {
		t.Error("it was fetched before anybody needed it")
	}
	wantActor(t, j, token(header("RS256", "one"), p, withRSA(one)))
	wantActor(t, j, token(header("RS256", "two"), p, withRSA(two)))
	wantActor(t, j, token(header("ES256", "ec"), p, withEC(ec)))
	wantActor(t, j, token(`{"alg":"ES256"}`, p, withEC(ec))) // the only one of its algorithm
	for _, wrong := range []string{
		token(`{"alg":"RS256"}`, p, withRSA(one)), // which one?
		token(header("RS256", "two"), p, withRSA(one)),
		token(header("RS256", ""), p, withRSA(one)),
		token(header("RS256", "ec"), p, withEC(ec)),
		token(header("ES256", "one"), p, withRSA(one)),
		token(header("ES384", "p384"), p, withEC(ec)),
		token(header("ES256", "p384"), p, withEC(ec)),
		token(header("RS256", "short"), p, withRSA(short)),
		token(header("RS256", "enc"), p, withRSA(enc)),
		token(header("RS256", "ops"), p, withRSA(ops)),
		token(header("RS256", "ps"), p, withRSA(ps)),
		token(header("RS256", "one"), p, withRSA(same)),
		token(header("HS256", "shared"), p, withSecret(current)),
		token(header("RS256", "one"), payload(t, "exp", nil), withRSA(one)),
		token(header("RS256", "one"), payload(t, "exp", 1), withRSA(one)),
	} {
		wantRefused(t, j, wrong)
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("it was fetched %d times within %s", n, 30*time.Second)
	}
}

// TestRotation has the provider change its keys.
func TestRotation(t *testing.T) {
	first, second := rsaKey(t), rsaKey(t)
	var served atomic.Pointer[http.HandlerFunc]
	serve := func(h http.HandlerFunc) { served.Store(&h) }
	serve(jwks(rsaJWK("first", &first.PublicKey)))
	url, fetches := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*served.Load())(w, r) }))
	wantFetches := func(want int64) {
		t.Helper()
		if n := fetches.Load(); n != want {
			t.Fatalf("fetched %d times, want %d", n, want)
		}
	}
	var c clock
	var log safeBuffer
	j := newJWT(t, auth.JWTOptions{JWKSURL: url, Loopback: true, Now: c.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	p := payload(t, "exp", time.Now().Add(24*time.Hour).Unix())
	a, b := token(header("RS256", "first"), p, withRSA(first)), token(header("RS256", "second"), p, withRSA(second))
	wantActor(t, j, a)
	wantFetches(1)

	serve(jwks(rsaJWK("first", &first.PublicKey), rsaJWK("second", &second.PublicKey)))
	for range 100 {
		wantRefused(t, j, b) // too soon
	}
	wantFetches(1)
	c.advance(31 * time.Second)
	wantActor(t, j, b)
	wantActor(t, j, a)
	wantFetches(2)

	// A key that is withdrawn ends behind the back of the first token that finds the set old.
	serve(jwks(rsaJWK("second", &second.PublicKey)))
	c.advance(6 * time.Minute)
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := j.Authenticate(t.Context(), a); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a key that was withdrawn is believed for ever")
		}
	}
	wantActor(t, j, b)
	wantFetches(3)

	// While the provider is away its last set does, for an hour.
	serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) })
	c.advance(59 * time.Minute)
	wantActor(t, j, b)
	c.advance(2 * time.Minute)
	wantRefused(t, j, b)
	serve(jwks(rsaJWK("second", &second.PublicKey)))
	c.advance(31 * time.Second)
	wantActor(t, j, b)
	if !strings.Contains(log.String(), "status 502") {
		t.Errorf("the log does not say what was wrong:\n%s", log.String())
	}

	// No keys are an answer too.
	serve(jwks())
	c.advance(31 * time.Second)
	wantRefused(t, j, token(header("RS256", "third"), p, withRSA(second)))
	wantRefused(t, j, b)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestJWKSFaults serves sets that cannot be used, and then, soon, one that can.
func TestJWKSFaults(t *testing.T) {
	key := rsaKey(t)
	canary, calls := listen(t, jwks(rsaJWK("one", &key.PublicKey)))
	good := rsaJWK("one", &key.PublicKey)
	for name, h := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"keys":[`+good+`]}`, http.StatusInternalServerError)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, canary, http.StatusFound) },
		"redirect308": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, canary, http.StatusPermanentRedirect)
		},
		"nonsense": body("<html>"),
		"null":     body("null"),
		"no keys":  body(`{}`),
		"cut":      body(`{"keys":[` + good),
		"one key":  body(good),
		"too long": body(`{"keys":[` + good + `]}` + strings.Repeat(" ", 1<<20)),
		"empty":    body(""),
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			broken.Store(true)
			url, fetches := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if broken.Load() {
					h(w, r)
					return
				}
				jwks(good)(w, r)
			}))
			var c clock
			j := newJWT(t, auth.JWTOptions{JWKSURL: url, Loopback: true, Now: c.Now})
			tok := token(header("RS256", "one"), payload(t), withRSA(key))
			for range 20 {
				wantRefused(t, j, tok)
			}
			if n := fetches.Load(); n != 1 {
				t.Errorf("fetched %d times", n)
			}
			broken.Store(false)
			c.advance(6 * time.Second)
			wantActor(t, j, tok)
		})
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("redirects were followed %d times", n)
	}
}

// TestJWKSHangs has a provider that does not answer: callers wait no longer than they would, and share one fetch.
func TestJWKSHangs(t *testing.T) {
	key, release := rsaKey(t), make(chan struct{})
	url, fetches := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		jwks(rsaJWK("one", &key.PublicKey))(w, r)
	}))
	j := newJWT(t, auth.JWTOptions{JWKSURL: url, Loopback: true})
	tok := token(header("RS256", "one"), payload(t), withRSA(key))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := j.Authenticate(ctx, tok); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("got %v", err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := j.Authenticate(t.Context(), tok); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := fetches.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestJWKSOverTLS(t *testing.T) {
	key := rsaKey(t)
	s := httptest.NewTLSServer(jwks(rsaJWK("one", &key.PublicKey)))
	defer s.Close()
	tok := token(header("RS256", "one"), payload(t), withRSA(key))
	wantActor(t, newJWT(t, auth.JWTOptions{JWKSURL: s.URL, Transport: s.Client().Transport}), tok)
	wantRefused(t, newJWT(t, auth.JWTOptions{JWKSURL: s.URL}), tok) // its certificate is nobody's
}

func TestJWKSURL(t *testing.T) {
	for _, c := range []struct {
		url      string
		loopback bool
		ok       bool
	}{
		{"https://id.example.com/keys", false, true},
		{"https://id.example.com/keys", true, true},
		{"http://localhost:8080/keys", true, true},
		{"http://127.0.0.1/keys", true, true},
		{"http://[::1]:8080/keys", true, true},
		{"http://localhost:8080/keys", false, false},
		{"http://id.example.com/keys", true, false},
		{"http://127.0.0.1.example.com/", true, false},
		{"http://169.254.169.254/", true, false},
		{"https://user:secret@id.example.com/", false, false},
		{"https:///keys", false, false},
		{"file:///etc/passwd", true, false},
		{"id.example.com", false, false},
		{"https://id.example.com/%zz", false, false},
	} {
		_, err := auth.NewJWT(auth.JWTOptions{JWKSURL: c.url, Loopback: c.loopback})
		if (err == nil) != c.ok {
			t.Errorf("%s (loopback %v): %v", c.url, c.loopback, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}
