package market

import (
	"io"
	"iter"
	"slices"
)

// Timestamps are instants of an interval's grid in Unix ms, ascending, written as a JSON list of integers. They are kept as
// the ranges that have no gap, of which most series have one, so that a cached value is smaller than its text; the text is
// copied from a [ruler]. They do not change.
type Timestamps struct {
	interval Interval
	ranges   []Range
	n        int
}

// NewTimestamps are the instants, which are of the interval's grid and ascend.
func NewTimestamps(interval Interval, instants ...int64) Timestamps {
	t := Timestamps{interval: interval}
	for _, at := range instants {
		t.add(at)
	}
	return t
}

// spanning are all instants of the range, which begins and ends with one.
func spanning(interval Interval, window Range) Timestamps {
	if window.Empty() {
		return Timestamps{interval: interval}
	}
	return Timestamps{interval, []Range{window}, int((window.To - window.From) / interval.Step())}
}

// add adds an instant after all others, while the timestamps are being made.
func (t *Timestamps) add(at int64) {
	t.n++
	next := at + t.interval.Step()
	if last := len(t.ranges) - 1; last >= 0 && t.ranges[last].To == at {
		t.ranges[last].To = next
		return
	}
	t.ranges = append(t.ranges, Range{at, next})
}

// Len is how many instants there are.
func (t Timestamps) Len() int { return t.n }

// span is the range from the first instant to the end of the last one's step.
func (t Timestamps) span() Range {
	if t.n == 0 {
		return Range{}
	}
	return Range{t.ranges[0].From, t.ranges[len(t.ranges)-1].To}
}

// same tells whether others are the same instants.
func (t Timestamps) same(other Timestamps) bool {
	return t.n == other.n && slices.Equal(t.ranges, other.ranges) && (t.n == 0 || t.interval == other.interval)
}

// All are the instants.
func (t Timestamps) All() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, r := range t.ranges {
			for at := r.From; at < r.To; at += t.interval.Step() {
				if !yield(at) {
					return
				}
			}
		}
	}
}

// Values are the instants as a list.
func (t Timestamps) Values() []int64 {
	return slices.AppendSeq(make([]int64, 0, t.n), t.All())
}

// RFC3339 are the instants as texts, in UTC: 2026-01-31T00:00:00Z. They are shared and must not be changed, and each is good
// until the next.
func (t Timestamps) RFC3339() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		r := wordRulers[t.interval]
		for _, span := range t.ranges {
			for at := span.From; at < span.To; {
				texts, n := r.from(at, span.To)
				at += int64(n) * t.interval.Step()
				for width := len(texts) / n; len(texts) > 0; texts = texts[width:] {
					if !yield(texts[:width:width]) {
						return
					}
				}
			}
		}
	}
}

// Size is how many bytes the JSON list has at most, where the instants are of these centuries.
func (t Timestamps) Size() int { return len(emptyList) + numberWidth*t.n }

// AppendJSON appends the JSON list.
func (t Timestamps) AppendJSON(b []byte) []byte {
	begin := len(b)
	r := numberRulers[t.interval]
	for _, span := range t.ranges {
		for at := span.From; at < span.To; {
			texts, n := r.from(at, span.To)
			at += int64(n) * t.interval.Step()
			b = append(b, texts...)
		}
	}
	if len(b) == begin {
		return append(b, emptyList...)
	}
	b[begin] = '[' // in the place of the first comma
	return append(b, ']')
}

// String is the JSON list.
func (t Timestamps) String() string { return string(t.AppendJSON(nil)) }

// MarshalJSON writes the JSON list.
func (t Timestamps) MarshalJSON() ([]byte, error) {
	return t.AppendJSON(make([]byte, 0, t.Size())), nil
}

// MarshalGQL writes the JSON list.
func (t Timestamps) MarshalGQL(w io.Writer) {
	_, _ = w.Write(t.AppendJSON(make([]byte, 0, t.Size())))
}

// UnmarshalGQL refuses: timestamps only go out.
func (t *Timestamps) UnmarshalGQL(any) error { return errOutputOnly }
