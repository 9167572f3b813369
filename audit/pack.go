package audit

import (
	"bytes"
	"time"

	"github.com/klauspost/compress/gzip"
)

// packer makes one gzip member of lines, and finds out what a segment says of itself.
type packer struct {
	data     bytes.Buffer
	zip      *gzip.Writer
	from, to time.Time
	lines    int
	bytes    int64
}

func newPacker() *packer {
	p := new(packer)
	p.zip, _ = gzip.NewWriterLevel(&p.data, gzip.BestSpeed) // the level is a valid one
	return p
}

func (p *packer) add(line []byte) error {
	if t, ok := timeOf(line); ok {
		if p.from.IsZero() || t.Before(p.from) {
			p.from = t
		}
		if t.After(p.to) {
			p.to = t
		}
	}
	p.lines++
	p.bytes += int64(len(line))
	_, err := p.zip.Write(line)
	return err
}

func (p *packer) finish(s Segment) (Segment, error) {
	err := p.zip.Close()
	s.From, s.To, s.Lines, s.Bytes, s.Data = p.from, p.to, p.lines, p.bytes, p.data.Bytes()
	return s, err
}
