package audit

import (
	"bytes"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	// timeLayout has a fixed width, so that lines sort as text and a line's time is found without reading the line.
	timeLayout = "2006-01-02T15:04:05.000000Z"
	timePrefix = `{"time":"`

	maxText   = 1 << 10  // bytes of one text in a request's line; six times as many when all of them are escaped
	maxDetail = 8 << 10  // bytes of one in another line: an error, a stack
	maxLine   = 64 << 10 // bytes of a line; a longer one is replaced by its head
)

// Request is what an API request's line says.
type Request struct {
	Time          time.Time
	Level         slog.Level
	RequestID     string
	TraceID       string
	KeyID         string
	Method        string
	Route         string
	Operation     string
	Variables     string
	Status        int
	Code          string
	Duration      time.Duration
	Cache         string
	UpstreamCalls int
	Bytes         int64
}

// append writes the request as a line of JSON. It is on the way of every request: no reflection, and no allocation but
// b's own.
func (r *Request) append(b []byte, replica string) []byte {
	b = appendHead(b, r.Time, levelOf(r.Level), "request", "request")
	b = appendField(b, "request_id", r.RequestID)
	b = appendField(b, "trace_id", r.TraceID)
	b = appendField(b, "replica", replica)
	b = appendField(b, "key_id", r.KeyID)
	b = appendField(b, "method", r.Method)
	b = appendField(b, "route", r.Route)
	b = appendField(b, "operation", r.Operation)
	b = appendField(b, "variables", r.Variables)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(r.Status), 10)
	b = appendField(b, "code", r.Code)
	b = append(b, `,"duration_ms":`...)
	b = appendMillis(b, r.Duration)
	b = appendField(b, "cache", r.Cache)
	b = append(b, `,"upstream_calls":`...)
	b = strconv.AppendInt(b, int64(r.UpstreamCalls), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, r.Bytes, 10)
	return append(b, '}', '\n')
}

// appendHead begins a line.
func appendHead(b []byte, t time.Time, level Level, message, event string) []byte {
	b = append(b, timePrefix...)
	b = t.UTC().AppendFormat(b, timeLayout)
	b = append(b, `","level":"`...)
	b = append(b, level...)
	b = append(b, `","msg":`...)
	b = appendText(b, message)
	return appendField(b, "event", event)
}

// appendField writes a field that is a text; an empty one is left out.
func appendField(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendText(b, text)
}

// appendMillis writes a duration in milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(0, d.Microseconds())
	b = strconv.AppendInt(b, us/1000, 10)
	return append(b, '.', '0'+byte(us/100%10), '0'+byte(us/10%10), '0'+byte(us%10))
}

const hexDigits = "0123456789abcdef"

// appendText writes a JSON string that no terminal takes for anything but text: control characters are escaped, C1 and
// DEL too, invalid UTF-8 becomes U+FFFD, and what is over maxText is cut.
func appendText(b []byte, s string) []byte {
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
	}
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		b = append(b, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < utf8.RuneSelf:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			var r rune
			switch r, size = utf8.DecodeRuneInString(s[i:]); {
			case r == utf8.RuneError && size == 1:
				if !cut || i+utf8.UTFMax <= len(s) { // not the half of a rune that the cut left
					b = append(b, "\uFFFD"...)
				}
			case r < 0xa0 || r == '\u2028' || r == '\u2029':
				b = append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			default:
				b = append(b, s[i:i+size]...)
			}
		}
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	if cut {
		b = append(b, "…"...)
	}
	return append(b, '"')
}

// timeOf is a line's time; false where it does not begin with one.
func timeOf(line []byte) (time.Time, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(timePrefix))
	if !ok || len(rest) < len(timeLayout) {
		return time.Time{}, false
	}
	t, err := time.Parse(timeLayout, string(rest[:len(timeLayout)]))
	return t, err == nil
}
