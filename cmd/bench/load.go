package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// request is an HTTP/1.1 request as it goes over the wire.
type request []byte

// target is a server and what it is asked.
type target struct {
	addr     string
	requests []request
}

// loaded is what came of loading servers.
type loaded struct {
	requests       int
	took           time.Duration
	latencies      []time.Duration // ascending
	sent, received int             // bytes
}

func (l loaded) percentile(p float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(len(l.latencies)-1, int(p*float64(len(l.latencies))))]
}

// rate is in requests a second.
func (l loaded) rate() float64 { return float64(l.requests) / l.took.Seconds() }

// load asks the server on so many connections for so long; each connection has one request under way. Requests are drawn at
// random. rate, if it is above 0, is how many requests a second all connections together send at most.
func load(ctx context.Context, t target, connections int, duration time.Duration, rate float64) (loaded, error) {
	return loadAll(ctx, []target{t}, connections, duration, rate)
}

// loadAll is load with the connections spread evenly over several servers.
func loadAll(ctx context.Context, targets []target, connections int, duration time.Duration, rate float64) (l loaded, err error) {
	clients, err := dial(ctx, targets, connections)
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	if err != nil {
		return l, err
	}
	return loadOver(ctx, clients, duration, rate)
}

// client is one connection to a target.
type client struct {
	target target
	conn   net.Conn
	reader *bufio.Reader
	read   int // bytes
}

func (c *client) Read(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	c.read += n
	return n, err
}

// dial opens so many connections, spread evenly over the targets.
func dial(ctx context.Context, targets []target, connections int) (clients []*client, err error) {
	// Few connections read large answers with few calls; many share what memory there is.
	const most, together = 1 << 18, 1 << 27
	size := min(most, max(1<<12, together/max(1, connections)))
	for i := range connections {
		c := &client{target: targets[i%len(targets)]}
		if c.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.target.addr); err != nil {
			return clients, fmt.Errorf("connection %d of %d: %w", i+1, connections, err)
		}
		c.reader = bufio.NewReaderSize(c, size)
		clients = append(clients, c)
	}
	return clients, nil
}

func hangUp(clients []*client) error {
	var errs []error
	for _, c := range clients {
		errs = append(errs, c.conn.Close())
	}
	return errors.Join(errs...)
}

// loadOver is load on connections that are open already.
func loadOver(ctx context.Context, clients []*client, duration time.Duration, rate float64) (loaded, error) {
	var group sync.WaitGroup
	results, errs := make([]loaded, len(clients)), make([]error, len(clients))
	begin := time.Now()
	end := begin.Add(duration)
	for i, c := range clients {
		group.Go(func() { results[i], errs[i] = c.load(ctx, uint64(i), end, rate/float64(len(clients))) })
	}
	group.Wait()
	all := loaded{took: max(time.Since(begin), duration)} // who has nothing more to send is done before the end
	for _, r := range results {
		all.requests += r.requests
		all.sent += r.sent
		all.received += r.received
		all.latencies = append(all.latencies, r.latencies...)
	}
	slices.Sort(all.latencies)
	return all, errors.Join(errs...)
}

func (c *client) load(ctx context.Context, seed uint64, end time.Time, rate float64) (l loaded, err error) {
	before := c.read
	defer func() { l.received = c.read - before }()
	random := rand.New(rand.NewPCG(seed, uint64(time.Now().UnixNano()))) //nolint:gosec // draws requests, guards nothing
	due := time.Now()
	for {
		start := time.Now()
		if rate > 0 { // a latency counts from when the request was due: a server that is late delays nobody's clock
			if due = due.Add(time.Duration(random.ExpFloat64() / rate * float64(time.Second))); due.After(end) {
				return l, ctx.Err()
			}
			if due.After(start) {
				timer := time.NewTimer(due.Sub(start))
				select {
				case <-timer.C:
				case <-ctx.Done():
					timer.Stop()
					return l, ctx.Err()
				}
			}
			start = due
		}
		if !time.Now().Before(end) {
			return l, ctx.Err()
		}
		if err := c.ask(c.target.requests[random.IntN(len(c.target.requests))], &l); err != nil {
			return l, err
		}
		l.latencies = append(l.latencies, time.Since(start))
	}
}

// ask sends one request and reads its answer, which must be 200.
func (c *client) ask(q request, l *loaded) error {
	if _, err := c.conn.Write(q); err != nil {
		return err
	}
	status, err := readAnswer(c.reader, nil)
	switch {
	case err != nil:
		return err
	case status != 200:
		return fmt.Errorf("status %d", status)
	}
	l.requests++
	l.sent += len(q)
	return nil
}

var (
	contentLength = []byte("Content-Length: ")
	errNoLength   = errors.New("an answer without Content-Length")
)

// readAnswer reads an answer to its end, the body into the buffer given, or nowhere.
func readAnswer(r *bufio.Reader, body *bytes.Buffer) (status int, err error) {
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		switch line = bytes.TrimRight(line, "\r\n"); {
		case status == 0:
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, err
			}
		case bytes.HasPrefix(line, contentLength):
			if length, err = strconv.Atoi(string(line[len(contentLength):])); err != nil {
				return 0, err
			}
		case len(line) == 0:
			if length < 0 {
				return status, errNoLength
			}
			if body == nil {
				_, err = r.Discard(length)
			} else {
				_, err = io.CopyN(body, r, int64(length))
			}
			return status, err
		}
	}
}

// ask sends one request on a connection of its own and gives the body of the answer, which must be 200.
func ask(ctx context.Context, addr string, q request) (body []byte, err error) {
	err = converse(ctx, addr, slices.Values([]request{q}), func(b []byte) { body = b })
	return body, err
}

// askAll sends each request once, some of them side by side.
func askAll(ctx context.Context, addr string, all []request) error {
	todo := make(chan request)
	var group errgroup.Group
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const connections = 8
	for range connections {
		group.Go(func() error {
			err := converse(ctx, addr, func(yield func(request) bool) {
				for q := range todo {
					if !yield(q) {
						return
					}
				}
			}, func([]byte) {})
			if err != nil { // and only then: who has nothing left to ask is done before the others
				cancel()
			}
			return err
		})
	}
	for _, q := range all {
		select {
		case todo <- q:
		case <-ctx.Done():
			return group.Wait()
		}
	}
	close(todo)
	return group.Wait()
}

// converse sends requests on one connection. Each answer must be 200, and one in GraphQL without errors.
func converse(ctx context.Context, addr string, requests iter.Seq[request], answer func(body []byte)) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 1<<18)
	for q := range requests {
		if _, err := conn.Write(q); err != nil {
			return err
		}
		var body bytes.Buffer
		status, err := readAnswer(reader, &body)
		if err != nil {
			return err
		}
		if start := body.Bytes()[:min(body.Len(), 300)]; status != 200 || bytes.HasPrefix(start, []byte(`{"errors"`)) {
			return fmt.Errorf("status %d: %s", status, start)
		}
		answer(body.Bytes())
	}
	return nil
}
