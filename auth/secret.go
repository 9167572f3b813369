package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// A secret is "cg_" and 40 characters of Crockford's base32 in lower case, which spell 168 random bits and the CRC-32
// (IEEE) of these 21 bytes. The prefix and the checksum let scanners of repositories and logs recognise a secret without
// asking anybody, and let a typo be refused without a look-up. They follow GitHub's token format
// (github.blog/engineering/behind-githubs-new-authentication-token-formats).
const (
	secretPrefix = "cg_"
	randomBytes  = 21
	secretLength = len(secretPrefix) + (randomBytes+crc32.Size)*8/5
)

// crockford is base32 without letters that look like digits (crockford.com/base32.html), for ids and secrets that people
// read out and copy.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewSecret makes the secret of an API key.
func NewSecret() string {
	b := make([]byte, randomBytes, randomBytes+crc32.Size)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return encodeSecret(b)
}

func encodeSecret(random []byte) string {
	return secretPrefix + crockford.EncodeToString(binary.BigEndian.AppendUint32(random, crc32.ChecksumIEEE(random)))
}

// LooksLikeSecret tells whether a text has the form and the checksum of what [NewSecret] makes. It says nothing of
// whether there is such a key.
func LooksLikeSecret(s string) bool {
	encoded, ok := strings.CutPrefix(s, secretPrefix)
	if !ok || len(s) != secretLength {
		return false
	}
	b, err := crockford.DecodeString(encoded)
	return err == nil && len(b) == randomBytes+crc32.Size &&
		binary.BigEndian.Uint32(b[randomBytes:]) == crc32.ChecksumIEEE(b[:randomBytes])
}

// hashOf is what is stored of a secret. A plain, fast hash is enough, as it would not be for a password: there is nothing
// to guess in 168 random bits, and equal secrets, which a salt would hide, do not occur. OWASP's ASVS 4.0.3, section
// 2.6.2, and NIST SP 800-63B, section 5.1.2.2, draw the line at 112 bits.
func hashOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

const (
	idPrefix = "key_"
	idBytes  = 10
	idLength = len(idPrefix) + idBytes*8/5
)

// newID makes the id of an API key. It has nothing of the secret in it.
func newID() string {
	b := make([]byte, idBytes)
	_, _ = rand.Read(b)
	return idPrefix + crockford.EncodeToString(b)
}

// looksLikeID tells whether a text has the form of what newID makes.
func looksLikeID(s string) bool {
	encoded, ok := strings.CutPrefix(s, idPrefix)
	if !ok || len(s) != idLength {
		return false
	}
	b, err := crockford.DecodeString(encoded)
	return err == nil && len(b) == idBytes
}
