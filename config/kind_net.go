package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

var (
	address     = kind[string]{"host:port or :port", parseAddress}
	baseURL     = kind[string]{"an http or https URL without user, query and fragment", parseBaseURL}
	webURL      = kind[string]{"an http or https URL without user, query and fragment", parseWebURL}
	postgresURL = kind[Secret]{"a URL such as postgres://user:password@host:5432/database", parsePostgresURL}
	redisURL    = kind[Secret]{"redis:// or rediss:// with one address, or several separated by commas", parseRedisURL}
	origins     = kind[[]string]{"origins separated by commas, such as https://app.example.com, or *", parseOrigins}
	networks    = kind[[]netip.Prefix]{"addresses and networks separated by commas, such as 10.0.0.0/8", parseNetworks}
)

func parseAddress(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", errors.New("is not an address with a port")
	}
	if _, err := parseWhole(port, 0, 65535); err != nil {
		return "", errors.New("has a port that is no number up to 65535")
	}
	if host != "" && !validHost(host) {
		return "", errors.New("has a host that is none")
	}
	return text, nil
}

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && len(host) <= 253 && !strings.ContainsFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	})
}

// parseURL parses a URL with a host and one of the schemes. The error of url.Parse has the URL in it, and the URL may
// have a password.
func parseURL(text string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	for _, s := range schemes {
		if u.Scheme == s {
			return u, checkHost(u)
		}
	}
	return nil, errors.New("has another scheme")
}

func checkHost(u *url.URL) error {
	if !validHost(u.Hostname()) || strings.HasSuffix(u.Host, ":") {
		return errors.New("has no valid host")
	}
	if p := u.Port(); p != "" {
		if _, err := parseWhole(p, 1, 65535); err != nil {
			return errors.New("has a port that is none")
		}
	}
	return nil
}

func parseWebURL(text string) (string, error) {
	u, err := parseURL(text, "http", "https")
	switch {
	case err != nil:
		return "", err
	case u.User != nil:
		return "", errors.New("has a user or password, which logs would show")
	case strings.ContainsAny(text, "?#"): // an empty query or fragment leaves no trace in u
		return "", errors.New("has a query or fragment")
	}
	return text, nil
}

// parseBaseURL reads a URL that paths are appended to.
func parseBaseURL(text string) (string, error) {
	text, err := parseWebURL(text)
	return strings.TrimRight(text, "/"), err
}

// parseOrigins reads web origins: https://fetch.spec.whatwg.org/#origin-header
func parseOrigins(text string) ([]string, error) {
	if text == "*" {
		return []string{"*"}, nil
	}
	return parseList(text, func(item string) (string, error) {
		u, err := parseURL(item, "http", "https")
		if err != nil {
			return "", err
		}
		if item != u.Scheme+"://"+u.Host {
			return "", errors.New("has more than scheme, host and port")
		}
		return strings.ToLower(item), nil
	})
}

// parsePostgresURL checks the form of libpq's URLs, which may name several hosts, or none with the socket in a parameter:
// https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
func parsePostgresURL(text string) (Secret, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return Secret{}, errors.New("has another scheme")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	start := strings.LastIndexByte(rest[:end], '@') + 1
	for _, host := range strings.Split(rest[start:end], ",") {
		u, err := url.Parse(scheme + "://" + rest[:start] + host + rest[end:])
		if err != nil {
			return Secret{}, errors.New("is not a URL (a password with special characters must be percent-encoded)")
		}
		if err := checkHost(u); err != nil && host != "" {
			return Secret{}, err
		}
	}
	return NewSecret(text), nil
}

// parseRedisURL checks redis://host and redis://host1:7000,host2:7000 and redis://host1:7000,redis://host2:7000.
func parseRedisURL(text string) (Secret, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	for _, item := range strings.Split(rest, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), scheme+"://")
		if _, err := parseURL(scheme+"://"+item, "redis", "rediss"); err != nil {
			return Secret{}, err
		}
	}
	return NewSecret(text), nil
}

// parseNetworks reads networks in CIDR form; an address alone is a network of one.
func parseNetworks(text string) ([]netip.Prefix, error) {
	return parseList(text, func(item string) (netip.Prefix, error) {
		if addr, err := netip.ParseAddr(item); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			return netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		p, err := netip.ParsePrefix(item)
		if err != nil {
			return netip.Prefix{}, errors.New("is neither an address nor a network")
		}
		return p.Masked(), nil
	})
}
