package cache

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Open makes a client for a Redis URL; it connects when it is used, so Redis need not be there yet.
//
//	redis://[user:password@]host[:port][/db]            one server; rediss:// is the same over TLS 1.2 or newer
//	redis://[user:password@]host:port,host:port         a Redis Cluster
//	redis://…host:port[,host:port]?master_name=name     the Sentinels of a master
//
// The scheme, the credentials, the database and the options may stand at any of the addresses and go for all. Options:
// db, protocol (2 or 3), client_name, pool_size, dial_timeout, read_timeout, write_timeout; with Sentinel also
// sentinel_username and sentinel_password. Reserved characters in a password are percent-encoded, the comma too.
//
// The client heeds contexts and gives up early (300 ms to dial, to read, to write). It does not send a command again on its
// own, so that what counts does not count twice; only the client of a Cluster does, after a lost connection or a timeout of
// its own: there, a command that counts needs a context that ends before read_timeout. Errors never have a credential in them.
func Open(redisURL string) (redis.UniversalClient, error) { return OpenPatient(redisURL, 0) }

// OpenPatient is [Open] with a client that gives up no earlier than after so long.
func OpenPatient(redisURL string, atLeast time.Duration) (redis.UniversalClient, error) {
	o, err := parseURL(redisURL)
	if err != nil {
		return nil, fmt.Errorf("cache: redis URL: %w", err)
	}
	for _, timeout := range []*time.Duration{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout} {
		*timeout = max(*timeout, atLeast)
	}
	client := redis.NewUniversalClient(o)
	client.AddHook(tracing{})
	return client, nil
}

// patience is how long the client waits for each of: a connection, its turn in the pool, an answer.
const patience = 300 * time.Millisecond

func parseURL(redisURL string) (*redis.UniversalOptions, error) {
	scheme, rest, _ := strings.Cut(redisURL, "://")
	if scheme != "redis" && scheme != "rediss" {
		return nil, errors.New("begins with neither redis:// nor rediss://")
	}
	var hosts []*url.URL
	var shared url.URL // what goes for all addresses
	for i, part := range strings.Split(rest, ",") {
		u, err := url.Parse(scheme + "://" + strings.TrimPrefix(strings.TrimSpace(part), scheme+"://"))
		if err != nil { // it quotes the URL, and so the password
			return nil, fmt.Errorf("address %d is malformed; reserved characters in a password must be percent-encoded", i+1)
		}
		if host := u.Hostname(); host == "" || strings.ContainsAny(host, "[]") {
			return nil, fmt.Errorf("address %d has no host", i+1)
		}
		if u.User != nil {
			if shared.User != nil && shared.User.String() != u.User.String() {
				return nil, errors.New("the addresses have different credentials")
			}
			shared.User = u.User
		}
		if u.Path != "" && u.Path != "/" {
			if shared.Path != "" && shared.Path != u.Path {
				return nil, errors.New("the addresses have different databases")
			}
			shared.Path = u.Path
		}
		if u.RawQuery != "" {
			if shared.RawQuery != "" && shared.RawQuery != u.RawQuery {
				return nil, errors.New("the addresses have different options")
			}
			shared.RawQuery = u.RawQuery
		}
		hosts = append(hosts, u)
	}

	query := shared.Query()
	for name := range query {
		switch name {
		case "db", "protocol", "client_name", "pool_size", "dial_timeout", "read_timeout", "write_timeout":
		case "master_name":
		case "sentinel_username", "sentinel_password":
			if !query.Has("master_name") {
				return nil, fmt.Errorf("the option %s needs master_name", name)
			}
		default:
			return nil, fmt.Errorf("there is no option %q", name)
		}
	}
	o := &redis.UniversalOptions{
		MasterName: query.Get("master_name"), SentinelUsername: query.Get("sentinel_username"), SentinelPassword: query.Get("sentinel_password"),

		ContextTimeoutEnabled: true,
		PoolTimeout:           patience,
		MaxRetries:            -1,
		DialerRetries:         1,
		// Neither serves a cache, and each costs a new connection a round trip.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if query.Has("master_name") && o.MasterName == "" {
		return nil, errors.New("master_name is empty")
	}
	for _, name := range []string{"master_name", "sentinel_username", "sentinel_password"} {
		query.Del(name)
	}

	defaultPort := "6379"
	if o.MasterName != "" {
		defaultPort = "26379"
	}
	for _, u := range hosts {
		o.Addrs = append(o.Addrs, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultPort)))
	}
	// go-redis reads the numbers and the database. It gets no credentials, so its errors have none.
	one, err := redis.ParseURL((&url.URL{Scheme: scheme, Host: o.Addrs[0], Path: shared.Path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	o.DB, o.ClientName, o.PoolSize = one.DB, one.ClientName, one.PoolSize
	// RESP2, unless the URL says otherwise: nobody here subscribes to anything, and with RESP3 the client looks for pushed
	// messages around each pipeline.
	o.Protocol = cmp.Or(one.Protocol, 2)
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = one.DialTimeout, one.ReadTimeout, one.WriteTimeout
	for _, timeout := range []*time.Duration{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout} {
		if *timeout <= 0 {
			*timeout = patience
		}
	}
	if len(hosts) > 1 && o.MasterName == "" && o.DB != 0 {
		return nil, errors.New("a Redis Cluster has only database 0")
	}
	if shared.User != nil {
		o.Username = shared.User.Username()
		o.Password, _ = shared.User.Password()
	}
	if scheme == "rediss" {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // the server's name is that of the address dialled
	}
	return o, nil
}

// RedirectClientLog makes the Redis client library write its own lines, which repeat per connection what the cache tells
// once, to the log at level DEBUG instead of to stderr. The library has one logger for the whole process: main
// calls this once, before the first client.
func RedirectClientLog(log *slog.Logger) { redis.SetLogger(clientLog{log}) }

type clientLog struct{ log *slog.Logger }

// Printf implements the library's logger.
func (l clientLog) Printf(ctx context.Context, format string, args ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis client", "event", "cache.client", "message", fmt.Sprintf(format, args...))
	}
}
