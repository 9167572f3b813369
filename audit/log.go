package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/relay"
)

const (
	flushWithin = 2 * time.Second       // how long an export waits for the replicas
	flushEvery  = 25 * time.Millisecond // how often it looks whether they are done
	headersRead = 200                   // segments whose headers are read at once
)

// Log reads what all replicas logged. Its methods are for admins: each looks at the context's actor itself, so that no
// caller can forget to.
type Log struct {
	store Store
	sink  *Sink
	key   signingKey
}

// NewLog makes a Log of the store's segments, and of what the sink has not shipped yet.
func NewLog(store Store, sink *Sink) *Log { return &Log{store: store, sink: sink} }

// Flush has every replica ship what it logged until now, and names those that live and did not within two seconds. It
// records the action, if there is one. It fails only where the store does.
func (l *Log) Flush(ctx context.Context, a *Action) (missing []string, err error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	ticket, err := l.store.RequestFlush(ctx, a)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	_ = l.sink.flush(within, ticket) // if it did not, it is one of those that are missing
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		if missing, err = l.store.Laggards(ctx, ticket); err != nil || len(missing) == 0 {
			return missing, err
		}
		select {
		case <-tick.C:
		case <-within.Done():
			return missing, ctx.Err()
		}
	}
}

// Page is a page of the log.
type Page struct {
	Nodes    []Entry
	PageInfo relay.PageInfo

	log    *Log
	filter Filter
}

// Edge is an entry and its place in the log.
type Edge struct {
	Cursor string
	Node   Entry
}

// Edges are the nodes with their cursors.
func (p *Page) Edges() []Edge {
	edges := make([]Edge, len(p.Nodes))
	for i, e := range p.Nodes {
		edges[i] = Edge{cursorOf(e.Place), e}
	}
	return edges
}

func cursorOf(p Place) string { return relay.Cursor(p.String()) }

// TotalCount is how many entries the filter selects. It is counted when it is asked for.
func (p *Page) TotalCount(ctx context.Context) (int, error) { return p.log.Count(ctx, p.filter) }

// DownloadURL is where the entries that the filter selects can be downloaded without a credential, see [Log.Sign].
func (p *Page) DownloadURL(ctx context.Context) (string, error) {
	return p.log.Sign(ctx, p.filter, time.Now())
}

// Page is up to first entries that the filter selects, in the order of their places, after the one given. Where what is
// stored does not fill it, the replicas are asked to ship what they have.
func (l *Log) Page(ctx context.Context, f Filter, after Place, first int) (*Page, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	p := &Page{log: l, filter: f}
	read := func() error {
		more, err := l.read(ctx, f, after, first+1-len(p.Nodes))
		p.Nodes = append(p.Nodes, more...)
		if len(more) > 0 {
			after = more[len(more)-1].Place
		}
		return err
	}
	if err := read(); err != nil {
		return nil, err
	}
	if len(p.Nodes) <= first {
		if _, err := l.Flush(ctx, nil); err != nil {
			return nil, err
		}
		if err := read(); err != nil {
			return nil, err
		}
	}
	if len(p.Nodes) > first {
		p.Nodes, p.PageInfo.HasNextPage = p.Nodes[:first], true
	}
	if n := len(p.Nodes); n > 0 {
		cursor := cursorOf(p.Nodes[n-1].Place)
		p.PageInfo.EndCursor = &cursor
	}
	return p, nil
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// read gives up to limit entries after a place.
func (l *Log) read(ctx context.Context, f Filter, after Place, limit int) ([]Entry, error) {
	var entries []Entry
	m := newMatcher(f)
	r := rangeOf(f)
	r.After = max(0, after.Segment-1)
	err := l.segments(ctx, r, func(s *Segment) error {
		return l.lines(ctx, s, func(n int, line []byte) error {
			if s.Seq == after.Segment && n <= after.Line || !m.match(line) {
				return nil
			}
			e, err := parse(line)
			if err != nil {
				return err
			}
			e.Place = Place{s.Seq, n}
			if entries = append(entries, e); len(entries) >= limit {
				return errEnough
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return entries, err
}

// Count is how many entries the filter selects among those that are stored.
func (l *Log) Count(ctx context.Context, f Filter) (int, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return 0, err
	}
	total := 0
	m := newMatcher(f)
	err := l.segments(ctx, rangeOf(f), func(s *Segment) error {
		if f.ranged() && f.holds(s) {
			total += s.Lines
			return nil
		}
		return l.lines(ctx, s, func(_ int, line []byte) error {
			if m.match(line) {
				total++
			}
			return nil
		})
	})
	return total, err
}

func rangeOf(f Filter) Range { return Range{From: f.From, To: f.To} }

// segments calls visit with each segment of the range.
func (l *Log) segments(ctx context.Context, r Range, visit func(*Segment) error) error {
	for {
		headers, err := l.store.Segments(ctx, r, headersRead)
		if err != nil {
			return err
		}
		for i := range headers {
			if err := visit(&headers[i]); err != nil {
				return err
			}
		}
		if len(headers) < headersRead {
			return nil
		}
		r.After = headers[len(headers)-1].Seq
	}
}

// readers are gzip readers, whose tables are large.
var readers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// lines calls visit with each line of a segment and its number. A segment that was deleted meanwhile has none.
func (l *Log) lines(ctx context.Context, s *Segment, visit func(n int, line []byte) error) error {
	data, err := l.store.SegmentData(ctx, s.Seq)
	if err != nil || data == nil {
		return err
	}
	zip := readers.Get().(*gzip.Reader)
	defer readers.Put(zip)
	if err := zip.Reset(bytes.NewReader(data)); err != nil {
		return fmt.Errorf("audit: segment %d: %w", s.Seq, err)
	}
	r := bufio.NewReaderSize(zip, maxLine+1)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("audit: segment %d, line %d: %w", s.Seq, n, err)
		}
		if err := visit(n, line); err != nil {
			return err
		}
	}
}

// Export is what an export will write: all that is stored when it begins.
type Export struct {
	Missing []string // replicas that live and did not ship what they had

	log    *Log
	filter Filter
	upTo   int64
}

// Export prepares an export: the replicas ship what they have, and what can fail does so here. That it was done is an
// audit entry.
func (l *Log) Export(ctx context.Context, f Filter) (*Export, error) {
	missing, err := l.Flush(ctx, &Action{Event: "log.export", Message: "the log was exported", Details: f.attrs()})
	if err != nil {
		return nil, err
	}
	slices.Sort(missing)
	e := &Export{Missing: missing, log: l, filter: f}
	if e.upTo, err = l.store.LastSegment(ctx); err != nil {
		return nil, err
	}
	if e.upTo > 0 {
		_, err = l.store.Segments(ctx, e.span(), 1)
	}
	return e, err
}

func (e *Export) span() Range {
	r := rangeOf(e.filter)
	r.UpTo = e.upTo
	return r
}

// Write writes the entries as gzip members of JSON lines, and calls progress before each segment. A segment that the
// filter selects whole is copied as it is stored; of others what is selected is compressed anew. It holds one compressed
// segment at a time. An error of the store leaves what was written without its end.
func (e *Export) Write(ctx context.Context, w io.Writer, progress func()) error {
	m := newMatcher(e.filter)
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	members, open := 0, false
	closeMember := func() error {
		if !open {
			return nil
		}
		open = false
		return zip.Close()
	}
	visit := func(s *Segment) error {
		progress()
		if e.filter.ranged() && e.filter.holds(s) {
			data, err := e.log.store.SegmentData(ctx, s.Seq)
			if err != nil || data == nil {
				return err
			}
			if err := closeMember(); err != nil {
				return err
			}
			members++
			_, err = w.Write(data)
			return err
		}
		return e.log.lines(ctx, s, func(_ int, line []byte) error {
			if !m.match(line) {
				return nil
			}
			if !open {
				open = true
				members++
				zip.Reset(w)
			}
			_, err := zip.Write(line)
			return err
		})
	}
	if e.upTo > 0 {
		if err := e.log.segments(ctx, e.span(), visit); err != nil {
			return err
		}
	}
	if members == 0 { // no bytes at all would be no gzip file
		zip.Reset(w)
		open = true
	}
	return closeMember()
}
