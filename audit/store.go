package audit

import (
	"context"
	"time"
)

// Segment is what one replica logged in a while.
type Segment struct {
	Seq      int64  // ascending in the order of storing, never given twice; 0 until stored
	Name     string // unique
	Replica  string
	From, To time.Time // of its first and last line
	Lines    int
	Bytes    int64  // uncompressed
	Data     []byte // one gzip member of JSON lines
}

// Range selects segments.
type Range struct {
	After    int64     // those with greater numbers
	UpTo     int64     // those with numbers up to this; 0: all
	From, To time.Time // those that may have lines in [From, To); zero: without a bound
}

// Store keeps segments, and lets replicas ask each other to ship theirs. It fails with fault.StoreUnavailable, or with the
// context's error.
type Store interface {
	// Ship stores a segment, unless there is one of its name already: then nothing changes. Numbers ascend in the order of
	// commits, so that a reader who follows them misses none.
	Ship(ctx context.Context, s Segment) error
	// Segments are up to limit segments of the range without their data, ascending by number.
	Segments(ctx context.Context, r Range, limit int) ([]Segment, error)
	// LastSegment is the greatest number; 0 when there is no segment.
	LastSegment(ctx context.Context) (int64, error)
	// SegmentData is a segment's data; nil when it was deleted.
	SegmentData(ctx context.Context, seq int64) ([]byte, error)
	// PruneSegments deletes the segments whose last line is from before the time given, and tells how many there were.
	PruneSegments(ctx context.Context, before time.Time) (int, error)

	// ShipActions moves the audit entries that wait into a segment of their own, in one transaction.
	ShipActions(ctx context.Context) error

	// RequestFlush asks all replicas to ship what they have, and gives the ticket by which they will say that they did. The
	// action, if there is one, is recorded in the same transaction.
	RequestFlush(ctx context.Context, a *Action) (ticket int64, err error)
	// Ticket is the newest ticket.
	Ticket(ctx context.Context) (int64, error)
	// Beat says that a replica lives and which ticket it has satisfied, which never goes back, and gives the newest ticket.
	Beat(ctx context.Context, replica string, flushed int64) (ticket int64, err error)
	// Laggards are the replicas that live, by the database's clock, and have not satisfied the ticket, by name.
	Laggards(ctx context.Context, ticket int64) ([]string, error)
	// Leave says that a replica is gone.
	Leave(ctx context.Context, replica string) error

	// SigningKey is the key that signs download links: the same for all replicas, made when it is first asked for.
	SigningKey(ctx context.Context) ([]byte, error)
}
