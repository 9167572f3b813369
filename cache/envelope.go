package cache

import (
	"encoding/binary"
	"time"
)

// A value in Redis carries the instant at which it expires in front of it: Unix ms in 8 bytes, big endian. So a reader
// knows what is left of its time to live without a second question, and memory never keeps it longer than Redis does,
// as far as the clocks of the replicas agree.
const envelopeSize = 8

// maxTTL bounds the time to live, so that no sum of a time and a TTL overflows.
const maxTTL = 10 * 365 * 24 * time.Hour

// maxExpiry is in the year 2248. Nothing that seal wrote expires later, and text has no zero byte in front.
const maxExpiry = 1 << 43

// seal puts the envelope around a copy of the value.
func seal(value []byte, expires time.Time) []byte {
	b := make([]byte, envelopeSize, envelopeSize+len(value))
	binary.BigEndian.PutUint64(b, uint64(expires.UnixMilli()))
	return append(b, value...)
}

// unseal gives the value inside, never nil, and when it expires; not ok when that is not something that seal wrote.
func unseal(b []byte) (value []byte, expires time.Time, ok bool) {
	if len(b) < envelopeSize {
		return nil, time.Time{}, false
	}
	ms := binary.BigEndian.Uint64(b)
	if ms >= maxExpiry {
		return nil, time.Time{}, false
	}
	return b[envelopeSize:], time.UnixMilli(int64(ms)), true
}
