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

// loaded is what came of loading a server.
type loaded struct {
	requests  int
	took      time.Duration
	latencies []time.Duration // ascending
}

func (l loaded) percentile(p float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(len(l.latencies)-1, int(p*float64(len(l.latencies))))]
}

// load asks the server on so many connections for so long; each connection has one request under way. Requests are drawn at
// random. rate, if it is above 0, is how many requests a second all connections together send at most.
func load(ctx context.Context, t target, connections int, duration time.Duration, rate float64) (loaded, error) {
	var group sync.WaitGroup
	results, errs := make([]loaded, connections), make([]error, connections)
	begin := time.Now()
	end := begin.Add(duration)
	for i := range connections {
		group.Go(func() {
			results[i], errs[i] = loadConnection(ctx, t, uint64(i), end, rate/float64(connections))
		})
	}
	group.Wait()
	all := loaded{took: time.Since(begin)}
	for _, r := range results {
		all.requests += r.requests
		all.latencies = append(all.latencies, r.latencies...)
	}
	slices.Sort(all.latencies)
	return all, errors.Join(errs...)
}

func loadConnection(ctx context.Context, t target, seed uint64, end time.Time, rate float64) (l loaded, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return l, err
	}
	defer conn.Close()
	random := rand.New(rand.NewPCG(seed, uint64(time.Now().UnixNano()))) //nolint:gosec // draws requests, guards nothing
	reader := bufio.NewReaderSize(conn, 1<<18)
	due := time.Now()
	for {
		start := time.Now()
		if rate > 0 { // a latency counts from when the request was due: a server that is late delays nobody's clock
			if due = due.Add(time.Duration(random.ExpFloat64() / rate * float64(time.Second))); due.After(start) {
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
		if _, err := conn.Write(t.requests[random.IntN(len(t.requests))]); err != nil {
			return l, err
		}
		status, _, err := readAnswer(reader, nil)
		switch {
		case err != nil:
			return l, err
		case status != 200:
			return l, fmt.Errorf("status %d", status)
		}
		l.requests++
		l.latencies = append(l.latencies, time.Since(start))
	}
}

var (
	contentLength = []byte("Content-Length: ")
	errNoLength   = errors.New("an answer without Content-Length")
)

// readAnswer reads an answer to its end, the body into the buffer given, or nowhere.
func readAnswer(r *bufio.Reader, body *bytes.Buffer) (status, length int, err error) {
	length = -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		switch line = bytes.TrimRight(line, "\r\n"); {
		case status == 0:
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, 0, err
			}
		case bytes.HasPrefix(line, contentLength):
			if length, err = strconv.Atoi(string(line[len(contentLength):])); err != nil {
				return 0, 0, err
			}
		case len(line) == 0:
			if length < 0 {
				return status, 0, errNoLength
			}
			if body == nil {
				_, err = r.Discard(length)
			} else {
				_, err = io.CopyN(body, r, int64(length))
			}
			return status, length, err
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
			defer cancel()
			return converse(ctx, addr, func(yield func(request) bool) {
				for q := range todo {
					if !yield(q) {
						return
					}
				}
			}, func([]byte) {})
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
		status, _, err := readAnswer(reader, &body)
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
