package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

const (
	// ExportPath is where logs are exported.
	ExportPath = "/logs/export"

	linkFor = 5 * time.Minute // how long a download link is good for
)

// The parameters of a download link beside those of the filter.
const (
	paramActor     = "actor"
	paramTier      = "tier"
	paramExpires   = "expires"
	paramSignature = "signature"
)

// Query is the filter as parameters of a query.
func (f *Filter) Query() url.Values {
	q := make(url.Values)
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	instant := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	set("from", instant(f.From))
	set("to", instant(f.To))
	set("level", string(f.Level))
	set("event", f.Event)
	set("key", f.Key)
	if f.Status != 0 {
		set("status", strconv.Itoa(f.Status))
	}
	set("provider", f.Provider)
	set("requestId", f.RequestID)
	return q
}

// attrs is the filter for an audit entry.
func (f *Filter) attrs() []slog.Attr {
	if text := f.Query().Encode(); text != "" {
		return []slog.Attr{slog.String("filter", text)}
	}
	return nil
}

// Sign makes a link, a path with a query, under which the caller's export can be downloaded without a credential, by
// whoever has the link, for five minutes. It names the caller, and holds no secret of theirs. Every replica honours it.
func (l *Log) Sign(ctx context.Context, f Filter, now time.Time) (string, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return "", err
	}
	key, err := l.key.get(ctx, l.store)
	if err != nil {
		return "", err
	}
	actor := auth.ActorOf(ctx)
	q := f.Query()
	q.Set(paramActor, actor.ID)
	q.Set(paramTier, actor.Tier)
	q.Set(paramExpires, strconv.FormatInt(now.Add(linkFor).Unix(), 10))
	q.Set(paramSignature, signature(key, q))
	return ExportPath + "?" + q.Encode(), nil
}

// IsLink tells whether the parameters claim to be those of a link.
func IsLink(q url.Values) bool { return q.Has(paramSignature) }

// LinkParams are the names of the parameters that a link adds to those of the filter.
func LinkParams() []string {
	return []string{paramActor, paramTier, paramExpires, paramSignature}
}

var errLink = errors.New("the link's signature is wrong, or its time is over")

// Verify gives the actor whom a link stands for. It fails with fault.Unauthenticated, and with fault.StoreUnavailable where
// the key cannot be had.
func (l *Log) Verify(ctx context.Context, q url.Values, now time.Time) (auth.Actor, error) {
	key, err := l.key.get(ctx, l.store)
	if err != nil {
		return auth.Actor{}, err
	}
	want := signature(key, q)
	expires, err := strconv.ParseInt(q.Get(paramExpires), 10, 64)
	if !hmac.Equal([]byte(want), []byte(q.Get(paramSignature))) || len(q[paramSignature]) != 1 || err != nil || now.Unix() >= expires {
		return auth.Actor{}, fault.Wrap(fault.Unauthenticated, errLink)
	}
	id := q.Get(paramActor)
	return auth.Actor{ID: id, Tier: q.Get(paramTier), Role: auth.Admin, Name: id}, nil
}

// signature is that of all parameters but itself, in the order of their names.
func signature(key []byte, q url.Values) string {
	signed := make(url.Values, len(q))
	for name, values := range q {
		if name != paramSignature {
			signed[name] = values
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("coingraph log export\n" + signed.Encode()))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// signingKey is the database's key, once it was read.
type signingKey struct {
	mu  sync.Mutex
	key []byte
}

func (k *signingKey) get(ctx context.Context, s Store) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		key, err := s.SigningKey(ctx)
		if err != nil {
			return nil, err
		}
		k.key = key
	}
	return k.key, nil
}
