package auth

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// header is what decides which key is asked. Everything else of a token's header is passed over: jku, jwk, x5u and x5c
// would let a token name its own key (RFC 8725, section 3.5).
type header struct{ alg, kid string }

// readHeader reads the header of a token that is not verified yet. It is false for whatever is not three parts of
// base64url with a JSON object in front (RFC 7515, section 3.1): the library would take the JSON serialisation and
// surrounding blanks too, and does not compare alg with the algorithm of the key.
func readHeader(token string) (h header, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		return header{}, false
	}
	for _, part := range parts {
		if strings.ContainsFunc(part, notBase64URL) {
			return header{}, false
		}
	}
	members, ok := object(parts[0])
	if !ok {
		return header{}, false
	}
	// crit names extensions that must be understood (section 4.1.11), b64 is one of them (RFC 7797): there are none here.
	for _, name := range []string{"crit", "b64"} {
		if _, ok := members[name]; ok {
			return header{}, false
		}
	}
	if h.alg, ok = text(members["alg"]); !ok {
		return header{}, false
	}
	if kid, there := members["kid"]; there {
		if h.kid, ok = text(kid); !ok {
			return header{}, false
		}
	}
	return h, true
}

func notBase64URL(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

type claims struct {
	subject string
	role    Role
	tier    string
}

// roleClaims are the values of the claim role.
var roleClaims = map[Role]string{User: "user", Admin: "admin"}

// readClaims reads the claims of a token that has been verified. It is false where sub lacks, or a time is not a number
// (RFC 7519, section 2, NumericDate): the library would take "1700000000" and RFC 3339.
func readClaims(token string) (c claims, ok bool) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	members, ok := object(payload)
	if !ok {
		return claims{}, false
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if v, there := members[name]; there && !number(v) {
			return claims{}, false
		}
	}
	if c.subject, ok = text(members["sub"]); !ok || !validSubject(c.subject) {
		return claims{}, false
	}
	c.role, c.tier = User, StandardTier
	if role, ok := text(members["role"]); ok && role == roleClaims[Admin] {
		c.role, c.tier = Admin, AdminTier
	}
	if tier, ok := text(members["tier"]); ok && tierForm.MatchString(tier) && (tier != AdminTier || c.role == Admin) {
		c.tier = tier
	}
	return c, true
}

// object decodes the members of a JSON object in base64url. Their names are taken to the letter, as a struct's would not
// be.
func object(encoded string) (map[string]json.RawMessage, bool) {
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, false
	}
	var members map[string]json.RawMessage
	return members, json.Unmarshal(b, &members) == nil && members != nil
}

// text is the value of a JSON string; false for any other value.
func text(v json.RawMessage) (s string, ok bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(v, &s) == nil
}

// number tells whether a JSON value is a number.
func number(v json.RawMessage) bool {
	return len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9')
}

func validSubject(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' })
}
