package cache

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestUnsealRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"empty":              {},
		"cut":                make([]byte, envelopeSize-1),
		"text":               []byte("a text that somebody else has put there"),
		"digits":             []byte("1700000000000"),
		"JSON":               []byte(`{"bitcoin":{"usd":1}}`),
		"an expiry too late": seal(nil, time.UnixMilli(maxExpiry)),
		"before 1970":        seal(nil, time.UnixMilli(-1)),
	} {
		if value, expires, ok := unseal(b); ok {
			t.Errorf("%s: taken as %q until %v", name, value, expires)
		}
	}
}

func TestUnsealRefusesWhatWasCutOrChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SliceOf(rapid.Byte()).Draw(t, "value")
		sealed := seal(value, time.UnixMilli(rapid.Int64Range(0, maxExpiry-1).Draw(t, "expires")))
		if got, _, ok := unseal(sealed); !ok || !bytes.Equal(got, value) {
			t.Fatalf("got %x, %v", got, ok)
		}
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		if _, _, ok := unseal(sealed[:at]); ok {
			t.Fatal("a value cut short was taken")
		}
		sealed[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, _, ok := unseal(sealed); ok {
			t.Fatal("a flipped bit was taken")
		}
	})
}

func TestTheLongestTTLFitsTheEnvelope(t *testing.T) {
	want := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).Add(maxTTL)
	if _, expires, ok := unseal(seal(nil, want)); !ok || !expires.Equal(want) {
		t.Errorf("got %v, %v", expires, ok)
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("1234567"))
	f.Add(seal([]byte("value"), time.UnixMilli(1_700_000_000_123)))
	f.Add(seal(nil, time.UnixMilli(0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		value, expires, ok := unseal(b)
		if !ok {
			return
		}
		if value == nil {
			t.Error("a value that is there is nil")
		}
		if again := seal(value, expires); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}
