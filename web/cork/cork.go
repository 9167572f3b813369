// Package cork has net/http send an answer's head and body in one system call.
//
// A server of net/http buffers 4 KB for each connection. It writes those, the head and the beginning of the body, as soon as
// a longer body is written, and the rest by another call: two system calls, two packets' way through the kernel, and a client that is
// woken for the first of them. A corked connection holds the first piece back until the rest is there (writev(2)).
package cork

import (
	"context"
	"io"
	"net"
)

// buffered is what net/http buffers for each connection. A body that is no longer goes out in one piece anyway, and where
// the guess is wrong it only costs the call that there was before.
const buffered = 4 << 10

// listener gives corked connections.
type listener struct{ net.Listener }

// Listen has what the listener accepts be connections that [Write] can cork; others than TCP's stay as they are.
func Listen(l net.Listener) net.Listener { return listener{l} }

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &conn{TCPConn: tcp}, nil
	}
	return c, err
}

// conn is a connection. One goroutine at a time writes to it: that which serves the request.
type conn struct {
	*net.TCPConn
	corked bool
	held   []byte // what was written first
	pieces [2][]byte
}

// Write implements [net.Conn]. Of a corked connection, the first piece waits for the second.
func (c *conn) Write(b []byte) (int, error) {
	if !c.corked {
		return c.TCPConn.Write(b)
	}
	if len(c.held) == 0 {
		c.held = append(c.held, b...)
		return len(b), nil
	}
	c.pieces = [2][]byte{c.held, b}
	both := net.Buffers(c.pieces[:])
	n, err := both.WriteTo(c.TCPConn)
	n = max(n-int64(len(c.held)), 0)
	c.corked, c.held = false, c.held[:0]
	return int(n), err
}

// uncork sends what still waits.
func (c *conn) uncork() error {
	c.corked = false
	if len(c.held) == 0 {
		return nil
	}
	_, err := c.TCPConn.Write(c.held)
	c.held = c.held[:0]
	return err
}

type key struct{}

// Context is for [http.Server.ConnContext].
func Context(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, key{}, c)
	}
	return ctx
}

// Write writes the whole body of an answer, whose head has not been sent. The context is the request's.
func Write(ctx context.Context, w io.Writer, body []byte) error {
	c, ok := ctx.Value(key{}).(*conn)
	if !ok || len(body) <= buffered {
		_, err := w.Write(body)
		return err
	}
	c.corked = true
	_, err := w.Write(body)
	if held := c.uncork(); err == nil {
		err = held
	}
	return err
}
