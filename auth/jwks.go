package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-chi/jwtauth/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

const (
	jwksTimeout = 5 * time.Second
	maxJWKS     = 1 << 20 // bytes

	// jwksAge is when a set is fetched again, by the next token, which does not wait for it.
	jwksAge = 5 * time.Minute
	// jwksMaxAge is when a set that could not be fetched again is trusted no longer: its keys may have been withdrawn.
	jwksMaxAge = time.Hour
	// jwksPause is how long after a fetch the next one may begin, whatever tokens come: the provider is not ours to flood.
	jwksPause = 30 * time.Second
	// jwksRetry is the same while there is no set at all.
	jwksRetry = 5 * time.Second

	// RSA keys that are shorter are not safe (RFC 7518, section 3.3), and longer ones take long to verify.
	minRSABits, maxRSABits = 2048, 8192
)

// keySet is an identity provider's set of keys (JWKS, RFC 7517). It is fetched when a token first needs it, when it has
// grown old, and when a token names a key that is not in it, which is how providers rotate keys. The one URL that is ever
// fetched is the configured one, without redirects.
type keySet struct {
	url      string
	client   *http.Client
	validate []jwt.ValidateOption
	now      func() time.Time
	log      *slog.Logger

	mu        sync.Mutex
	keys      map[keyName]*jwtauth.JWTAuth // each verifies its own algorithm only; the map is never changed
	fetchedAt time.Time                    // of keys; zero: never
	triedAt   time.Time
	fetching  chan struct{} // closed when the fetch that is under way ends; nil: none is
}

// keyName names a key for a token's header.
type keyName struct{ alg, kid string }

func newKeySet(o JWTOptions, validate []jwt.ValidateOption) (*keySet, error) {
	u, err := url.Parse(o.JWKSURL)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Host == "" || u.User != nil:
		return nil, errors.New("must have a host and no user")
	case u.Scheme != "https" && (u.Scheme != "http" || !o.Loopback || !loopback(u.Hostname())):
		return nil, errors.New("must be https")
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 32 << 10, IdleConnTimeout: time.Minute,
		}
	}
	return &keySet{
		url: u.String(), validate: validate, now: o.Now, log: o.Log,
		client: &http.Client{
			Transport: transport, Timeout: jwksTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// find is what verifies tokens of the key named; nil when there is none. It waits for a fetch, at most as long as the
// context lasts, only when it has no such key.
func (s *keySet) find(ctx context.Context, name keyName) *jwtauth.JWTAuth {
	key, age := s.lookUp(name)
	if key != nil && age < jwksAge {
		return key
	}
	fetched := s.refresh()
	if key != nil || fetched == nil {
		return key
	}
	select {
	case <-fetched:
		key, _ = s.lookUp(name)
		return key
	case <-ctx.Done():
		return nil
	}
}

// lookUp is the key named, and the age of the set. A token need not name a key that is the only one of its algorithm.
func (s *keySet) lookUp(name keyName) (*jwtauth.JWTAuth, time.Duration) {
	s.mu.Lock()
	keys, age := s.keys, s.now().Sub(s.fetchedAt)
	s.mu.Unlock()
	if age >= jwksMaxAge {
		return nil, age
	}
	if name.kid != "" {
		return keys[name], age
	}
	var only *jwtauth.JWTAuth
	for n, key := range keys {
		if n.alg != name.alg {
			continue
		}
		if only != nil {
			return nil, age
		}
		only = key
	}
	return only, age
}

// refresh begins to fetch the set, unless that is under way already, and gives what is closed when it ends; nil when the
// last fetch was too short a time ago.
func (s *keySet) refresh() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := jwksPause
	if s.fetchedAt.IsZero() {
		pause = jwksRetry
	}
	now := s.now()
	switch {
	case s.fetching != nil:
		return s.fetching
	case now.Sub(s.triedAt) < pause:
		return nil
	}
	done := make(chan struct{})
	s.fetching, s.triedAt = done, now
	// It belongs to all who wait for it: none of them can end it.
	go func() {
		defer close(done)
		keys, err := s.fetch(context.Background())
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fetching = nil
		if err != nil {
			s.log.Warn("the JWKS could not be fetched", "event", "jwks.refresh", "url", s.url, "fetched_at", s.fetchedAt, "error", err)
			return
		}
		s.keys, s.fetchedAt = keys, now
	}()
	return done
}

func (s *keySet) fetch(ctx context.Context) (map[keyName]*jwtauth.JWTAuth, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxJWKS+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxJWKS {
		return nil, fmt.Errorf("more than %d bytes", maxJWKS)
	}
	return readJWKS(body, s.validate)
}

// readJWKS reads the keys of a set that can verify RS256 or ES256 signatures. As RFC 7517, section 5, has it, others are
// passed over, and so are keys that are malformed: one of them must not shut everybody out. Of two with one name the
// first one counts.
func readJWKS(body []byte, validate []jwt.ValidateOption) (map[keyName]*jwtauth.JWTAuth, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("not a JWKS")
	}
	keys := make(map[keyName]*jwtauth.JWTAuth)
	for _, raw := range set.Keys {
		key, err := jwk.ParseKey(raw)
		if err != nil {
			continue
		}
		alg, public := verifies(key)
		kid, _ := key.KeyID()
		name := keyName{alg, kid}
		if alg != "" && keys[name] == nil {
			keys[name] = jwtauth.New(alg, nil, public, validate...)
		}
	}
	return keys, nil
}

// verifies is the one algorithm whose signatures a key verifies, by its type and what it says of itself; "" when there is
// none for us. Keys for HMAC have none: what everybody can fetch is no secret.
func verifies(key jwk.Key) (alg string, public any) {
	if use, ok := key.KeyUsage(); ok && use != "sig" {
		return "", nil
	}
	if ops, ok := key.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return "", nil
	}
	public, err := jwk.PublicRawKeyOf(key)
	if err != nil {
		return "", nil
	}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
			alg = rs256
		}
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P256() {
			alg = es256
		}
	}
	if own, ok := key.Algorithm(); ok && own.String() != alg {
		return "", nil
	}
	return alg, public
}
