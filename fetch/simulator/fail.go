package simulator

import (
	"bytes"
	"compress/gzip"
	"net"
	"net/http"
	"strconv"
	"time"
)

// dripPause is how long Drip waits between bytes.
const dripPause = 100 * time.Millisecond

// fail answers a request as a fault says.
func (s *Simulator) fail(w http.ResponseWriter, q *request, f *activeFault) {
	if f.Delay > 0 && !s.pause(q, f.Delay) {
		return
	}
	if f.Hang {
		select {
		case <-q.Context().Done():
		case <-s.faults.clearing():
		}
		drop(w)
	}
	if f.Reset && f.Truncate == 0 {
		drop(w)
	}
	p := f.damage(s.wrongAnswer(q, f))
	if f.Truncate == 0 || f.Truncate >= len(p.body) {
		s.send(w, q, f, p, p.body)
		return
	}
	if !f.Reset {
		p.body = p.body[:f.Truncate]
		s.send(w, q, f, p, p.body)
		return
	}
	s.send(w, q, f, p, p.body[:f.Truncate])
	_ = http.NewResponseController(w).Flush() // what is there must be out before the reset
	drop(w)
}

// pause waits; false: the client went away.
func (s *Simulator) pause(q *request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.Context().Done():
		return false
	}
}

// wrongAnswer is the answer before it is damaged.
func (s *Simulator) wrongAnswer(q *request, f *activeFault) *reply {
	page := func(status int, title string) *reply {
		body := "<!DOCTYPE html>\n<html>\n<head>\n<title>" + title + "</title>\n</head>\n<body>\n<h1>" + title + "</h1>\n</body>\n</html>\n"
		return &reply{status, http.Header{"Content-Type": {"text/html; charset=UTF-8"}}, []byte(body)}
	}
	var p *reply
	switch {
	case f.Redirect != "":
		p = &reply{http.StatusFound, http.Header{"Location": {f.Redirect}}, nil}
	case f.HTML:
		p = page(http.StatusOK, "Just a moment...")
	case q.vendor != nil && f.Status >= http.StatusBadRequest:
		p = q.vendor.refuse(f.Status)
	case f.Status == http.StatusTooManyRequests:
		p = rateLimited(60)
	case f.Status >= http.StatusInternalServerError, f.Status == http.StatusForbidden:
		p = page(f.Status, "api.coingecko.com | "+strconv.Itoa(f.Status)+": "+http.StatusText(f.Status))
	case f.Status != 0 && f.Status != http.StatusOK:
		p = flat(f.Status, http.StatusText(f.Status))
	case f.Body != nil:
		p = success(nil, 60)
	default:
		p = s.answer(q)
	}
	if f.Body != nil {
		p.body = f.Body
		p.header.Del("ETag")
	}
	return p
}

// damage changes header and body.
func (f *activeFault) damage(p *reply) *reply {
	if f.Find != "" {
		p.body = f.find.ReplaceAll(p.body, []byte(f.Replace))
	}
	if f.Rewrite != nil {
		p.body = f.Rewrite(bytes.Clone(p.body))
	}
	if f.Gzip {
		p.body = compress(p.body, f.Pad)
		p.header.Set("Content-Encoding", "gzip")
	} else if f.Pad > 0 {
		p.body = append(bytes.Clone(p.body), bytes.Repeat([]byte{' '}, f.Pad)...)
	}
	for k, v := range f.Header {
		if p.header.Del(k); v != "" {
			p.header.Set(k, v)
		}
	}
	return p
}

// compress packs a body and the blanks behind it, which never exist at once.
func compress(body []byte, pad int) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	write := func(p []byte) { _, _ = z.Write(p) } // into a buffer: cannot fail
	write(body)
	blanks := bytes.Repeat([]byte{' '}, min(pad, 1<<16))
	for pad > 0 {
		n := min(pad, len(blanks))
		write(blanks[:n])
		pad -= n
	}
	_ = z.Close()
	return b.Bytes()
}

// send writes the part of the reply's body that is to arrive, at the speed that the fault says.
func (s *Simulator) send(w http.ResponseWriter, q *request, f *activeFault, p *reply, part []byte) {
	h := w.Header()
	for k, v := range p.header {
		h[k] = v
	}
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(p.status)
	if !f.Drip {
		_, _ = w.Write(part) // the client went away: nobody to tell
		return
	}
	for i := range part {
		if _, err := w.Write(part[i : i+1]); err != nil {
			return
		}
		if http.NewResponseController(w).Flush() != nil || !s.pause(q, dripPause) {
			return
		}
	}
}

// drop ends the connection: with a reset where it is TCP with one request at a time, else as well as it can. It does not
// return.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // discards what is unsent and makes the close a reset
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}
