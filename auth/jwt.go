package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/jwtauth/v5"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/coingraph/coingraph/fault"
)

// JWTOptions are the options of [NewJWT]. Without Secret and JWKSURL every token is refused.
type JWTOptions struct {
	Secret   string // signs and verifies HS256 tokens; RFC 7518, section 3.2, asks for 32 bytes, the caller sees to it
	Previous string // verifies HS256 tokens too, while the secret is being changed
	JWKSURL  string // where an identity provider has its keys for RS256 and ES256 tokens: https
	Loopback bool   // JWKSURL may be plain http to this machine, for development
	Issuer   string // the iss that tokens must have; "": any or none
	Audience string // what tokens must have in their aud; "": anything or nothing

	Transport http.RoundTripper // for JWKSURL; nil: one of its own
	Now       func() time.Time
	Log       *slog.Logger
}

// JWT verifies and mints JSON Web Tokens (RFC 7519), with RFC 8725 in mind: which algorithm a key verifies is said by the
// key and never by the token, and nothing that a token holds is ever fetched or opened.
type JWT struct {
	opts    JWTOptions
	secrets []*jwtauth.JWTAuth // HS256; the first signs
	keys    *keySet            // RS256 and ES256; nil: none
}

const (
	// maxToken bounds a token, before anything of it is decoded.
	maxToken = 8 << 10
	// leeway is by how much the clock of who made a token may be off.
	leeway = 30 * time.Second
)

// The algorithms (RFC 7518, section 3.1).
const (
	hs256 = "HS256"
	rs256 = "RS256"
	es256 = "ES256"
)

// NewJWT makes a JWT. It fails when JWKSURL cannot be used; it fetches nothing yet.
func NewJWT(o JWTOptions) (*JWT, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	validate := []jwt.ValidateOption{
		jwt.WithClock(jwt.ClockFunc(o.Now)), jwt.WithAcceptableSkew(leeway),
		jwt.WithRequiredClaim(jwt.ExpirationKey), // otherwise a token without it is valid for ever
	}
	if o.Issuer != "" {
		validate = append(validate, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		validate = append(validate, jwt.WithAudience(o.Audience))
	}
	j := &JWT{opts: o}
	for _, secret := range []string{o.Secret, o.Previous} {
		if secret != "" {
			j.secrets = append(j.secrets, jwtauth.New(hs256, []byte(secret), nil, validate...))
		}
	}
	if o.JWKSURL != "" {
		keys, err := newKeySet(o, validate)
		if err != nil {
			return nil, fmt.Errorf("auth: the URL of the JWKS: %w", err)
		}
		j.keys = keys
	}
	return j, nil
}

var (
	errTokenLength = fmt.Errorf("JWT: longer than %d bytes", maxToken)
	errTokenForm   = errors.New("JWT: malformed")
	errTokenAlg    = errors.New("JWT: an algorithm that no key of ours has")
	errTokenKey    = errors.New("JWT: not signed by a key of ours, or without the exp, iss or aud that it must have")
)

// Authenticate finds the actor that a token names. It fails with fault.Unauthenticated, which never says why; nor does
// its cause hold anything of the token.
//
// A token must be signed in compact form by a key of ours, not be over, and have a sub of at most 255 visible ASCII
// characters (OpenID Connect Core 1.0, section 2) without braces, which mean something in a limit's key. Its role is
// admin where the claim is the string "admin", and user whatever else it is. Its tier is the claim of that name where
// that is a tier's name; otherwise standard, or admin for an admin. A user's claim of the tier admin is void.
func (j *JWT) Authenticate(ctx context.Context, token string) (Actor, error) {
	if len(token) > maxToken {
		return Actor{}, unauthenticated(errTokenLength)
	}
	h, ok := readHeader(token)
	if !ok {
		return Actor{}, unauthenticated(errTokenForm)
	}
	var verifiers []*jwtauth.JWTAuth
	namespace := "jwt:"
	switch {
	case h.alg == hs256 && len(j.secrets) > 0:
		verifiers = j.secrets
	case (h.alg == rs256 || h.alg == es256) && j.keys != nil:
		// A subject is unique for its issuer only (RFC 7519, section 4.1.2).
		namespace = "jwks:"
		if key := j.keys.find(ctx, keyName(h)); key != nil {
			verifiers = append(verifiers, key)
		}
	default:
		return Actor{}, unauthenticated(errTokenAlg)
	}
	if err := verify(verifiers, token); err != nil {
		return Actor{}, unauthenticated(err)
	}
	c, ok := readClaims(token)
	if !ok {
		return Actor{}, unauthenticated(errTokenForm)
	}
	return Actor{ID: namespace + c.subject, Tier: c.tier, Role: c.role, Name: c.subject}, nil
}

// verify checks the token's signature and times by the first verifier whose signature it bears.
func verify(verifiers []*jwtauth.JWTAuth, token string) error {
	for _, v := range verifiers {
		// The token comes with the error too: nothing of it may be looked at then.
		_, err := jwtauth.VerifyToken(v, token)
		if err == nil {
			return nil
		}
		if !errors.Is(err, jwtauth.ErrUnauthorized) {
			return fmt.Errorf("JWT: %w", err) // signed, but not valid at this time
		}
	}
	return errTokenKey
}

// Mint makes a token that is valid from now on for a time, signed by the current secret, with the issuer and the audience
// that are asked for here. An empty tier is left out. Parameters that are wrong fail with a fault.BadInput that names
// role, sub, tier and ttl.
func (j *JWT) Mint(role Role, sub, tier string, ttl time.Duration) (string, error) {
	var bad []fault.Field
	claim, ok := roleClaims[role]
	if !ok {
		bad = append(bad, fault.Field{Field: "role", Message: "must be user or admin"})
	}
	if !validSubject(sub) {
		bad = append(bad, fault.Field{Field: "sub", Message: "must be 1 to 255 visible ASCII characters without braces"})
	}
	switch {
	case tier == "":
	case !tierForm.MatchString(tier):
		bad = append(bad, fault.Field{Field: "tier", Message: "must be 1 to 64 lower-case letters, digits and _ -"})
	case tier == AdminTier && role != Admin:
		bad = append(bad, fault.Field{Field: "tier", Message: "must not be admin without the role"})
	}
	if ttl < time.Second {
		bad = append(bad, fault.Field{Field: "ttl", Message: "must be at least 1s"})
	}
	if err := fault.Invalid(bad...); err != nil {
		return "", err
	}
	if j.opts.Secret == "" {
		return "", errors.New("auth: there is no secret to sign tokens with")
	}
	now := j.opts.Now()
	claims := map[string]any{jwt.SubjectKey: sub, "role": claim, jwt.IssuedAtKey: now.Unix(), jwt.ExpirationKey: now.Add(ttl).Unix()}
	for name, value := range map[string]string{"tier": tier, jwt.IssuerKey: j.opts.Issuer, jwt.AudienceKey: j.opts.Audience} {
		if value != "" {
			claims[name] = value
		}
	}
	_, token, err := j.secrets[0].Encode(claims)
	if err != nil {
		return "", fmt.Errorf("auth: sign a token: %w", err)
	}
	return token, nil
}
