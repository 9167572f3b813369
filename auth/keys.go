package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
)

// Key is an API key from the configuration.
type Key struct {
	Name   string
	Tier   string
	Secret string
}

// Keys authenticates the API keys of the configuration. It holds hashes only.
type Keys struct{ entries []entry }

type entry struct {
	hash  [sha256.Size]byte
	actor Actor
}

// NewKeys makes the set of the keys that are valid.
func NewKeys(keys []Key) *Keys {
	set := &Keys{entries: make([]entry, len(keys))}
	for i, k := range keys {
		set.entries[i] = entry{sha256.Sum256([]byte(k.Secret)), Actor{ID: k.Name, Tier: k.Tier, Role: roleOf(k.Tier), Name: k.Name}}
	}
	return set
}

// maxSecret bounds what is hashed for a stranger.
const maxSecret = 512

var errUnknownKey = errors.New("API key: unknown")

// Authenticate finds the actor whose key has this secret. It fails with fault.Unauthenticated, which never says why.
// It takes the same time whatever the secret shares with a valid one: digests are compared, all of them, and each
// in constant time.
func (k *Keys) Authenticate(secret string) (Actor, error) {
	if len(secret) > maxSecret {
		secret = "" // no key is empty
	}
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range k.entries {
		if subtle.ConstantTimeCompare(hash[:], k.entries[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 || secret == "" {
		return Actor{}, unauthenticated(errUnknownKey)
	}
	return k.entries[found].actor, nil
}

// named tells whether a key has the name.
func (k *Keys) named(name string) bool {
	for i := range k.entries {
		if k.entries[i].actor.Name == name {
			return true
		}
	}
	return false
}
