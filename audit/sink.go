package audit

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coingraph/coingraph/telemetry"
)

const (
	segmentQueue = 8 << 20               // bytes that wait for the disk
	consoleQueue = 1 << 20               // bytes that wait for the console
	consoleEvery = 20 * time.Millisecond // lines that come together are written together
)

// SinkOptions are the settings of [NewSink].
type SinkOptions struct {
	Console      io.Writer  // nil: none
	ConsoleLevel slog.Level // the least level on the console, where that is above Level
	Level        slog.Level // the least level that is logged
	Dir          string     // where segments are until they are shipped; made if it is not there
	Replica      string     // this process's name in the lines
	Retention    time.Duration
	Secrets      []string           // texts that no line may hold: a second net under the types that redact themselves
	Metrics      *telemetry.Metrics // nil: none

	SegmentBytes int64         // a segment this large is closed; default 8 MiB
	SegmentAge   time.Duration // and one this old; default 5 min
	DiskBytes    int64         // what may wait on the disk while the database is away; default 512 MiB
}

// Sink takes all lines of this process. Its methods are safe for concurrent use, and none that logs waits for a disk, a
// console or a database.
type Sink struct {
	opts     SinkOptions
	redactor *strings.Replacer // nil: there is no secret
	logger   *slog.Logger

	console, segment *queue
	disk             *disk
	rotations        chan chan struct{}
	closed           chan struct{} // by Close
	consoleDone      chan struct{}
	closeOnce        sync.Once

	to       Store      // where segments are shipped
	shipping sync.Mutex // one ships at a time, so that segments are shipped in order
	shipped  chan struct{}
	failure  atomic.Pointer[string] // why lines are dropped, if they are
}

// NewSink makes a sink that writes to its console at once; [Sink.Run] makes it write and ship segments.
func NewSink(o SinkOptions) *Sink {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 8 << 20
	}
	if o.SegmentAge <= 0 {
		o.SegmentAge = 5 * time.Minute
	}
	if o.DiskBytes <= 0 {
		o.DiskBytes = 512 << 20
	}
	s := &Sink{
		opts: o, redactor: newRedactor(o.Secrets),
		console: newQueue(consoleQueue), segment: newQueue(segmentQueue),
		disk:      newDisk(o.Dir, o.Replica),
		rotations: make(chan chan struct{}), closed: make(chan struct{}), consoleDone: make(chan struct{}), shipped: make(chan struct{}, 1),
	}
	s.logger = slog.New(newHandler(s))
	go s.writeConsole()
	return s
}

// newRedactor replaces each secret as it stands, and as JSON writes it.
func newRedactor(secrets []string) *strings.Replacer {
	var pairs []string
	for _, secret := range secrets {
		if len(secret) < 4 {
			continue // such a text is in every line
		}
		quoted := string(appendText(nil, secret))
		for _, form := range []string{secret, quoted[1 : len(quoted)-1]} {
			pairs = append(pairs, form, "[redacted]")
		}
	}
	if pairs == nil {
		return nil
	}
	return strings.NewReplacer(pairs...)
}

// Logger logs to the sink.
func (s *Sink) Logger() *slog.Logger { return s.logger }

// ShipTo says where segments are shipped to. It comes before [Sink.Run].
func (s *Sink) ShipTo(store Store) { s.to = store }

// Replica is this process's name in the lines.
func (s *Sink) Replica() string { return s.opts.Replica }

// least is the least level that is logged anywhere.
func (s *Sink) least() slog.Level { return s.opts.Level }

// lines are buffers in which lines are made.
var lines = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// Request logs a request that was answered.
func (s *Sink) Request(r *Request) {
	if s == nil || r.Level < s.opts.Level {
		return
	}
	b := lines.Get().(*[]byte)
	*b = r.append((*b)[:0], s.opts.Replica)
	s.put(r.Level, *b, false)
	lines.Put(b)
}

// put gives a whole line to those who write.
func (s *Sink) put(level slog.Level, line []byte, consoleOnly bool) {
	if s.opts.Console != nil && level >= s.opts.ConsoleLevel {
		s.console.put(line)
	}
	if !consoleOnly && level >= s.opts.Level {
		s.segment.put(line)
	}
}

func (s *Sink) redact(line []byte) []byte {
	if s.redactor == nil {
		return line
	}
	return []byte(s.redactor.Replace(string(line)))
}

// writeConsole empties the console's queue until the sink is closed. A console that blocks keeps nobody waiting.
func (s *Sink) writeConsole() {
	defer close(s.consoleDone)
	var spare []byte
	write := func() {
		chunk, _ := s.console.take(spare)
		if len(chunk) > 0 {
			_, _ = s.opts.Console.Write(chunk) // there is nowhere to tell that it failed
		}
		if spare = chunk; cap(spare) > consoleQueue/4 {
			spare = nil
		}
	}
	for {
		select {
		case <-s.console.ready:
			pause := time.NewTimer(consoleEvery)
			select {
			case <-pause.C:
			case <-s.closed:
				pause.Stop()
			}
			write()
		case <-s.closed:
			write()
			return
		}
	}
}

// Close writes to the console what waits for it, for at most a second. Lines that come later are lost.
func (s *Sink) Close() {
	s.closeOnce.Do(func() { close(s.closed) })
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-s.consoleDone:
	case <-patience.C: // nobody reads the console
	}
}

// Stats are figures for metrics, counted since the start.
type Stats struct {
	QueueBytes     int   // that wait for the disk
	WaitingBytes   int64 // in closed segments that wait for the database
	Waiting        int   // such segments
	Dropped        int64 // lines that are in no segment
	ConsoleDropped int64 // lines that the console did not take
}

// Stats are the current figures.
func (s *Sink) Stats() Stats {
	var st Stats
	var queued int64
	st.QueueBytes, queued = s.segment.stats()
	_, st.ConsoleDropped = s.console.stats()
	st.Waiting, st.WaitingBytes = s.disk.waiting()
	st.Dropped = queued + s.disk.dropped.Load()
	return st
}

// Run writes segments and ships them to the store until the context ends, and then what is left.
func (s *Sink) Run(ctx context.Context) {
	var group sync.WaitGroup
	s.disk.adopt()
	written := make(chan struct{})
	group.Go(func() { defer close(written); s.writeSegments(ctx) })
	group.Go(func() { s.runShipper(ctx, written) })
	group.Wait()
}
