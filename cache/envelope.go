package cache

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A value in Redis carries in front of it the instant at which it expires, Unix ms in 8 bytes, and a checksum (CRC-32C) of
// that and of the value in 4, both big endian. So a reader knows what is left of its time to live without a second question,
// and memory never keeps it longer than Redis does, as far as the clocks of the replicas agree. And a value is checked where
// it comes into the process: what memory answers with needs no second look, and nothing that was cut or changed gets there.
const (
	expirySize   = 8
	envelopeSize = expirySize + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // there is an instruction for it

// maxTTL bounds the time to live, so that no sum of a time and a TTL overflows.
const maxTTL = 10 * 365 * 24 * time.Hour

// maxExpiry is in the year 2248. Nothing that seal wrote expires later, and text has no zero byte in front.
const maxExpiry = 1 << 43

// seal puts the envelope around a copy of the value.
func seal(value []byte, expires time.Time) []byte {
	b := make([]byte, envelopeSize, envelopeSize+len(value))
	binary.BigEndian.PutUint64(b, uint64(expires.UnixMilli()))
	binary.BigEndian.PutUint32(b[expirySize:], checksum(b[:expirySize], value))
	return append(b, value...)
}

// unseal gives the value inside, never nil, and when it expires; not ok when that is not something that seal wrote.
func unseal(b []byte) (value []byte, expires time.Time, ok bool) {
	if len(b) < envelopeSize {
		return nil, time.Time{}, false
	}
	ms, value := binary.BigEndian.Uint64(b), b[envelopeSize:]
	if ms >= maxExpiry || binary.BigEndian.Uint32(b[expirySize:]) != checksum(b[:expirySize], value) {
		return nil, time.Time{}, false
	}
	return value, time.UnixMilli(int64(ms)), true
}

func checksum(expiry, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(expiry, castagnoli), castagnoli, value)
}
