package market

import (
	"bytes"
	"io"
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

var nullText = NumberText("null")

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
		values = append(values, float64(text.Number()))
	}
	return values
}

// Texts begins a walk through the values as they are in JSON.
func (c Column) Texts() Texts {
	if c.n == 0 {
		return Texts{}
	}
	return Texts{c.text[1 : len(c.text)-1]}
}

// Texts walks through the values of a [Column]. Several walks go side by side.
type Texts struct{ rest []byte }

// Next is the next value; nil when there is none left.
func (t *Texts) Next() NumberText {
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

// NumberText is a value of a [Column] as its text in JSON: a number, or null. It is shared and must not be changed.
type NumberText []byte

// IsNull tells whether there is no value.
func (n NumberText) IsNull() bool { return len(n) == 0 || n[0] == 'n' }

// Number parses the value.
func (n NumberText) Number() Number {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return Null()
	}
	return Number(f)
}

// MarshalGQL writes the text.
func (n NumberText) MarshalGQL(w io.Writer) { _, _ = w.Write(n) }

// UnmarshalGQL refuses: values of columns only go out.
func (n *NumberText) UnmarshalGQL(any) error { return errOutputOnly }

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
func (b *columnBuilder) addText(text NumberText) {
	b.next()
	b.text = append(b.text, text...)
}

func (b *columnBuilder) column() Column {
	return Column{append(b.text, ']'), b.n}
}
