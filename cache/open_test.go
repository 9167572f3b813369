package cache

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		url   string
		addrs []string
		check func(*redis.UniversalOptions) bool
	}{
		{"redis://localhost", []string{"localhost:6379"}, func(o *redis.UniversalOptions) bool { return o.TLSConfig == nil && o.DB == 0 }},
		{"redis://[::1]", []string{"[::1]:6379"}, nil},
		{"redis://h:7000/", []string{"h:7000"}, nil},
		{"redis://u:p%2C%40%3A@h:7000/3?protocol=2&client_name=x&pool_size=7", []string{"h:7000"}, func(o *redis.UniversalOptions) bool {
			return o.Username == "u" && o.Password == "p,@:" && o.DB == 3 && o.Protocol == 2 && o.ClientName == "x" && o.PoolSize == 7
		}},
		{"redis://:p@h", []string{"h:6379"}, func(o *redis.UniversalOptions) bool { return o.Username == "" && o.Password == "p" }},
		{"redis://h?db=4", []string{"h:6379"}, func(o *redis.UniversalOptions) bool { return o.DB == 4 }},
		{"redis://h?read_timeout=2s&dial_timeout=150ms", []string{"h:6379"}, func(o *redis.UniversalOptions) bool {
			return o.ReadTimeout == 2*time.Second && o.DialTimeout == 150*time.Millisecond && o.WriteTimeout == patience
		}},
		{"rediss://h:6380", []string{"h:6380"}, func(o *redis.UniversalOptions) bool {
			return o.TLSConfig != nil && o.TLSConfig.MinVersion == tls.VersionTLS12 && !o.TLSConfig.InsecureSkipVerify && o.TLSConfig.ServerName == ""
		}},
		{"redis://a:7000,b:7001, c", []string{"a:7000", "b:7001", "c:6379"}, nil},
		{"redis://:p@a:7000,redis://b:7001/0?protocol=3", []string{"a:7000", "b:7001"}, func(o *redis.UniversalOptions) bool { return o.Password == "p" && o.Protocol == 3 }},
		{"rediss://:p@a:7000,rediss://:p@b:7001", []string{"a:7000", "b:7001"}, func(o *redis.UniversalOptions) bool { return o.TLSConfig != nil && o.Password == "p" }},
		{"redis://:p@s1,s2:5000/2?master_name=m&sentinel_password=q", []string{"s1:26379", "s2:5000"}, func(o *redis.UniversalOptions) bool {
			return o.MasterName == "m" && o.DB == 2 && o.Password == "p" && o.SentinelPassword == "q"
		}},
	} {
		o, err := parseURL(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if !slices.Equal(o.Addrs, c.addrs) || c.check != nil && !c.check(o) {
			t.Errorf("%s: got %+v", c.url, o)
		}
		if !o.ContextTimeoutEnabled || o.MaxRetries != -1 || o.DialerRetries != 1 || o.DialTimeout <= 0 || o.WriteTimeout <= 0 {
			t.Errorf("%s: the client would wait or retry: %+v", c.url, o)
		}
	}
}

func TestOpenChoosesTheClient(t *testing.T) {
	for url, check := range map[string]func(redis.UniversalClient) bool{
		"redis://h:1":               func(c redis.UniversalClient) bool { _, ok := c.(*redis.Client); return ok },
		"redis://h:1?master_name=m": func(c redis.UniversalClient) bool { _, ok := c.(*redis.Client); return ok },
		"redis://a:1,b:1":           func(c redis.UniversalClient) bool { _, ok := c.(*redis.ClusterClient); return ok },
	} {
		c, err := Open(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if !check(c) {
			t.Errorf("%s: got a %T", url, c)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefusesWithoutTellingSecrets(t *testing.T) {
	const secret = "hunter2"
	for _, url := range []string{
		"", "localhost:6379", "http://:" + secret + "@h", "unix:///x", "redis://", "redis://a,", "redis://a:x",
		"redis://:" + secret + "@", "redis://:" + secret + "@a:x", "redis://:" + secret + "%@a", "redis://:x," + secret + "@a", "redis://:x/" + secret + "@a",
		"redis://:" + secret + "@a/b", "redis://:" + secret + "@a?db=x", "redis://:" + secret + "@a?protocol=x", "redis://:" + secret + "@a?read_timeout=x",
		"redis://:" + secret + "@a,b/1", "redis://:" + secret + "@a,redis://:other@b", "redis://a/1,b/2?master_name=m", "redis://a?protocol=2,b?protocol=3",
		"redis://a?password=" + secret, "redis://a?max_retries=3", "redis://a?sentinel_password=" + secret, "redis://a?master_name=",
		"redis://:" + secret + "@a,rediss://b", "redis://a\x7f:" + secret,
	} {
		c, err := Open(url)
		if err == nil {
			t.Errorf("%s: taken", url)
			_ = c.Close()
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, url := range []string{
		"redis://localhost", "rediss://u:p@h:6380/1?protocol=3", "redis://a:7000,b:7001", "redis://s1,s2?master_name=m&sentinel_password=x", "redis://[::1]:6379",
		"redis://a?,b", "redis://,", "://", "redis://a/1,b/2", "redis://]",
	} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		o, err := parseURL(url)
		if err != nil {
			return
		}
		for _, addr := range o.Addrs {
			if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
				t.Errorf("%q: address %q", url, addr)
			}
		}
		if len(o.Addrs) == 0 {
			t.Errorf("%q: no address", url)
		}
	})
}

func TestClientLogIsQuiet(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		var b bytes.Buffer
		log := clientLog{slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level}))}
		log.Printf(t.Context(), "cannot dial: %v", errors.New("refused"))
		if got := strings.Contains(b.String(), "level=DEBUG msg=\"redis client\" event=cache.client message=\"cannot dial: refused\""); got != want {
			t.Errorf("at %v: %q", level, b.String())
		}
	}
}
