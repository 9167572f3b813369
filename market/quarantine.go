package market

import (
	"context"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/relay"
)

// QuarantineEntry is a quarantined point as the store keeps it, for admins.
type QuarantineEntry struct {
	ID int64 // ascending in the order of storing
	SeriesKey
	Quarantined
	ReleasedAt *time.Time // nil: it is held back
	ReleasedBy string     // the admin's id; "": nobody
}

// Key is the entry's id as text.
func (e QuarantineEntry) Key() string { return strconv.FormatInt(e.ID, 10) }

// SlotOf is the grid instant of the point, as a range.
func (e QuarantineEntry) SlotOf() Range {
	slot := e.Interval.Snap(e.Stamp)
	return Range{slot, slot + e.Interval.Step()}
}

// QuotedIn is the currency of a chart's point; nil of a metric's.
func (e QuarantineEntry) QuotedIn() *Currency {
	if e.OnChain() {
		return nil
	}
	return &e.Currency
}

// OfMetric is the metric of a metric's point; nil of a chart's.
func (e QuarantineEntry) OfMetric() *Metric {
	if !e.OnChain() {
		return nil
	}
	return &e.Metric
}

// Step is the interval's name.
func (e QuarantineEntry) Step() string { return e.Interval.String() }

// Timestamp is the provider's own stamp.
func (e QuarantineEntry) Timestamp() time.Time { return time.UnixMilli(e.Stamp).UTC() }

// Value is the price, or the metric's value.
func (e QuarantineEntry) Value() Number { return Number(e.Price) }

// Cap is the market capitalisation.
func (e QuarantineEntry) Cap() Number { return Number(e.MarketCap) }

// Traded is the volume.
func (e QuarantineEntry) Traded() Number { return Number(e.Volume) }

// Releaser is who released it; nil for nobody.
func (e QuarantineEntry) Releaser() *string {
	if e.ReleasedBy == "" {
		return nil
	}
	return &e.ReleasedBy
}

// QuarantinePage is a page of the quarantine.
type QuarantinePage struct {
	Nodes    []QuarantineEntry
	PageInfo relay.PageInfo
}

// QuarantineEdge is an entry and its place.
type QuarantineEdge struct {
	Cursor string
	Node   QuarantineEntry
}

// Edges are the nodes with their cursors.
func (p *QuarantinePage) Edges() []QuarantineEdge {
	edges := make([]QuarantineEdge, len(p.Nodes))
	for i, e := range p.Nodes {
		edges[i] = QuarantineEdge{relay.Cursor(e.Key()), e}
	}
	return edges
}

// CheckQuarantine names what is wrong with a question for a page of the quarantine.
func CheckQuarantine(first *int, after *string) []fault.Field {
	_, bad := relay.First(first)
	position, badAfter := relay.After(after)
	if badAfter == nil && position != "" {
		if _, err := entryID(position); err != nil {
			badAfter = relay.BadCursor()
		}
	}
	return append(bad, badAfter...)
}

// entryID reads an entry's id.
func entryID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != text {
		return 0, fault.New(fault.NotFound, "there is no quarantined point with this id")
	}
	return id, nil
}

// Quarantine is a page of the points that were held back, the latest first. That the caller is an admin, its caller has to see to.
func (s *Service) Quarantine(ctx context.Context, first *int, after *string) (*QuarantinePage, error) {
	if err := fault.Invalid(CheckQuarantine(first, after)...); err != nil {
		return nil, err
	}
	rows, _ := relay.First(first)
	position, _ := relay.After(after)
	below, _ := entryID(position)
	entries, err := s.opts.Store.Quarantine(ctx, below, rows+1)
	if err != nil {
		return nil, err
	}
	p := &QuarantinePage{Nodes: entries}
	if len(entries) > rows {
		p.Nodes, p.PageInfo.HasNextPage = entries[:rows], true
	}
	if n := len(p.Nodes); n > 0 {
		cursor := relay.Cursor(p.Nodes[n-1].Key())
		p.PageInfo.EndCursor = &cursor
	}
	return p, nil
}

// Release makes a quarantined point one like all others, in the name of an admin. Answers that are cached do not have it until
// they expire, at the latest with the TTL of their series. That the caller is an admin, its caller has to see to. The error is a fault of
// kind NotFound for an id that there is none of.
func (s *Service) Release(ctx context.Context, id, by string) (*QuarantineEntry, error) {
	n, err := entryID(id)
	if err != nil {
		return nil, err
	}
	e, err := s.opts.Store.Release(ctx, n, by, s.opts.Now())
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, fault.New(fault.NotFound, "there is no quarantined point with this id")
	}
	s.opts.Log.InfoContext(ctx, "a point was released from quarantine", "event", "quarantine.release", "id", e.ID, "series", e.key(), "by", by)
	return e, nil
}
