package market

import (
	"bytes"
	"io"
	"math"
	"strconv"
)

// Column is a list of values, written as a JSON list of numbers or nulls. It is that text, from the cache to the answer: a
// column is rendered once, when it is read from what is stored, and from then on copied. Who wants numbers has them parsed.
//
// A column does not change, and its text may be a part of a cached value that others read.
type Column struct {
	text []byte // the JSON list; nil is the empty one
	n    int
}

const (
	emptyList  = "[]"
	valueWidth = 20 // bytes that a value takes with its comma, for buffers: more than most
)

var nullText = []byte("null")

// NewColumn renders the values as [AppendNumber] does.
func NewColumn(values []float64) Column {
	b := newColumnBuilder(len(values))
	for _, v := range values {
		b.add(v)
	}
	return b.column()
}

// Len is how many values there are.
func (c Column) Len() int { return c.n }

// Size is how many bytes the JSON list has.
func (c Column) Size() int { return max(len(c.text), len(emptyList)) }

// Values parses the values, anew for each call. Null is NaN.
func (c Column) Values() []float64 {
	values := make([]float64, 0, c.n)
	texts := c.Texts()
	for text := texts.Next(); text != nil; text = texts.Next() {
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			v = math.NaN() // null
		}
		values = append(values, v)
	}
	return values
}

// Texts begins a walk through the values' texts.
func (c Column) Texts() Texts {
	if c.n == 0 {
		return Texts{}
	}
	return Texts{c.text[1 : len(c.text)-1]}
}

// Texts walks through the values of a [Column], each as the text it has in JSON. Several of them go side by side.
type Texts struct{ rest []byte }

// Next is the next value's text, a number or null, which must not be changed; nil when there is none left.
func (t *Texts) Next() []byte {
	if len(t.rest) == 0 {
		return nil
	}
	i := bytes.IndexByte(t.rest, ',')
	if i < 0 {
		last := t.rest
		t.rest = nil
		return last
	}
	next := t.rest[:i:i]
	t.rest = t.rest[i+1:]
	return next
}

// AppendJSON appends the JSON list.
func (c Column) AppendJSON(b []byte) []byte {
	if c.text == nil {
		return append(b, emptyList...)
	}
	return append(b, c.text...)
}

// String is the JSON list.
func (c Column) String() string { return string(c.AppendJSON(nil)) }

// MarshalJSON writes the JSON list.
func (c Column) MarshalJSON() ([]byte, error) { return c.AppendJSON(make([]byte, 0, c.Size())), nil }

// MarshalGQL writes the JSON list.
func (c Column) MarshalGQL(w io.Writer) {
	if c.text == nil {
		_, _ = io.WriteString(w, emptyList)
		return
	}
	_, _ = w.Write(c.text)
}

// UnmarshalGQL refuses: columns only go out.
func (c *Column) UnmarshalGQL(any) error { return errOutputOnly }

// columnBuilder renders a column, value by value.
type columnBuilder struct {
	text []byte
	n    int
}

func newColumnBuilder(n int) *columnBuilder {
	return &columnBuilder{text: append(make([]byte, 0, 2+valueWidth*n), '[')}
}

func (b *columnBuilder) next() {
	if b.n++; b.n > 1 {
		b.text = append(b.text, ',')
	}
}

func (b *columnBuilder) add(v float64) {
	b.next()
	b.text = AppendNumber(b.text, v)
}

// addText adds a value of another column.
func (b *columnBuilder) addText(text []byte) {
	b.next()
	b.text = append(b.text, text...)
}

func (b *columnBuilder) column() Column {
	return Column{append(b.text, ']'), b.n}
}
