package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

const (
	segmentSuffix = ".ndjson"
	lockName      = "lock"
)

// disk is the segments of this process's directory, and those that dead processes left beside it. Each process has a
// directory of its own under the root, which it holds a lock of: one that can be locked is nobody's.
type disk struct {
	root, replica string
	dropped       atomic.Int64 // lines

	// Of the goroutine that writes.
	lock   *flock.Flock
	open   *segmentFile
	number int
	dirty  bool // something is not synced

	mu     sync.Mutex
	closed []*segmentFile // the oldest first
}

// segmentFile is a segment on the disk. Its file is kept open, so that it can be shipped also after somebody removed it.
type segmentFile struct {
	name    string // unique among all segments
	replica string
	file    *os.File
	path    string
	size    int64
	lines   int
	opened  time.Time
	of      *heritage // nil: it is our own
}

// heritage is the directory of a process that is dead.
type heritage struct {
	dir  string
	lock *flock.Flock
	left int // segments that are not shipped yet
}

func newDisk(root, replica string) *disk { return &disk{root: root, replica: replica} }

func (d *disk) dir() string { return filepath.Join(d.root, d.replica) }

// begin opens a new segment.
func (d *disk) begin() error {
	dir := d.dir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, lockName)); d.lock == nil || err != nil {
		if d.lock != nil {
			_ = d.lock.Close() // of a file that somebody removed
		}
		d.lock = flock.New(filepath.Join(dir, lockName))
		if held, err := d.lock.TryLock(); err != nil || !held {
			d.lock = nil
			return fmt.Errorf("audit: the lock of %s: %w", dir, errors.Join(err, errHeld))
		}
	}
	d.number++
	name := fmt.Sprintf("%08d", d.number)
	path := filepath.Join(dir, name+segmentSuffix)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	d.open = &segmentFile{name: d.replica + "/" + name, replica: d.replica, file: file, path: path, opened: time.Now()}
	return nil
}

var errHeld = errors.New("another process holds it")

// append writes whole lines to the open segment. When it fails nothing of them is there: what a full disk took of them is
// cut off again.
func (d *disk) append(chunk []byte, lines int) error {
	if d.open == nil {
		if err := d.begin(); err != nil {
			return err
		}
	}
	s := d.open
	if _, err := s.file.WriteAt(chunk, s.size); err != nil {
		return errors.Join(err, s.file.Truncate(s.size))
	}
	s.size += int64(len(chunk))
	s.lines += lines
	d.dirty = true
	return nil
}

// sync makes the open segment outlive a power cut. A file that was removed under us is closed: what it holds is shipped
// from there, and the next lines go to a new one.
func (d *disk) sync() error {
	if d.open == nil {
		return nil
	}
	var err error
	if d.dirty {
		err = d.open.file.Sync()
		d.dirty = err != nil
	}
	have, statErr := os.Stat(d.open.path)
	if own, ownErr := d.open.file.Stat(); statErr != nil || ownErr != nil || !os.SameFile(have, own) {
		d.rotate()
	}
	return err
}

// rotate closes the open segment, if it holds anything.
func (d *disk) rotate() {
	if d.open == nil || d.open.lines == 0 {
		return
	}
	d.mu.Lock()
	d.closed = append(d.closed, d.open)
	d.mu.Unlock()
	d.open, d.dirty = nil, false
}

// adopt takes over what dead processes left.
func (d *disk) adopt() {
	entries, err := os.ReadDir(d.root)
	if err != nil {
		return // there is none yet, or begin will tell
	}
	var found []*segmentFile
	for _, entry := range entries {
		if !entry.IsDir() || entry.Name() == d.replica {
			continue
		}
		h := &heritage{dir: filepath.Join(d.root, entry.Name())}
		h.lock = flock.New(filepath.Join(h.dir, lockName))
		if held, err := h.lock.TryLock(); err != nil || !held {
			continue // it lives
		}
		files, _ := os.ReadDir(h.dir)
		for _, f := range files {
			name, ok := strings.CutSuffix(f.Name(), segmentSuffix)
			if !ok {
				continue
			}
			s := &segmentFile{name: entry.Name() + "/" + name, replica: entry.Name(), path: filepath.Join(h.dir, f.Name()), of: h}
			if s.file, err = os.OpenFile(s.path, os.O_RDWR, 0); err != nil {
				continue
			}
			if s.lines, s.size, err = measure(s.file); err != nil {
				_ = s.file.Close()
				continue
			}
			if info, err := f.Info(); err == nil {
				s.opened = info.ModTime()
			}
			h.left++
			found = append(found, s)
		}
		if h.left == 0 {
			h.leave()
		}
	}
	slices.SortStableFunc(found, func(a, b *segmentFile) int { return a.opened.Compare(b.opened) })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = append(found, d.closed...)
}

// measure counts the whole lines of a file and their bytes: a process that was killed may have left a part of one, and a
// power cut anything.
func measure(f *os.File) (lines int, size int64, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, 1<<62), maxLine+1)
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull), err == nil && !whole(line):
			return lines, size, nil
		case err != nil:
			return lines, size, err
		}
		lines++
		size += int64(len(line))
	}
}

// whole tells whether a line is one that a sink wrote.
func whole(line []byte) bool {
	return bytes.HasPrefix(line, []byte(timePrefix)) && bytes.HasSuffix(line, []byte("}\n"))
}

// leave lets go of the directory.
func (h *heritage) leave() {
	_ = h.lock.Unlock()
	_ = os.Remove(filepath.Join(h.dir, lockName))
	_ = os.Remove(h.dir) // stays if there is something in it that is not ours
}

// next is the oldest closed segment; nil: there is none.
func (d *disk) next() *segmentFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.closed) == 0 {
		return nil
	}
	return d.closed[0]
}

// remove takes a closed segment from the disk: it is shipped, or there is no room for it.
func (d *disk) remove(s *segmentFile) {
	d.mu.Lock()
	d.closed = slices.DeleteFunc(d.closed, func(c *segmentFile) bool { return c == s })
	d.mu.Unlock()
	_ = s.file.Close()
	_ = os.Remove(s.path)
	if s.of != nil {
		if s.of.left--; s.of.left == 0 {
			s.of.leave()
		}
	}
}

// trim drops the oldest closed segments beyond the bytes given.
func (d *disk) trim(most int64) {
	for {
		n, bytes := d.waiting()
		if n == 0 || bytes <= most {
			return
		}
		oldest := d.next()
		d.dropped.Add(int64(oldest.lines))
		d.remove(oldest)
	}
}

// waiting are the closed segments and their bytes.
func (d *disk) waiting() (n int, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.closed {
		bytes += s.size
	}
	return len(d.closed), bytes
}

// close lets go of everything. What is not shipped stays for the next process.
func (d *disk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.closed {
		_ = s.file.Close()
		if s.of != nil {
			_ = s.of.lock.Unlock()
		}
	}
	if d.open != nil {
		_ = d.open.file.Close()
		if d.open.lines == 0 {
			_ = os.Remove(d.open.path)
		}
	}
	if d.lock != nil {
		_ = d.lock.Unlock()
		if len(d.closed) == 0 && (d.open == nil || d.open.lines == 0) {
			_ = os.Remove(filepath.Join(d.dir(), lockName))
			_ = os.Remove(d.dir())
		}
	}
}

// pack reads a closed segment and makes of it what is stored. Its memory is that of the compressed bytes.
func (s *segmentFile) pack() (Segment, error) {
	p := newPacker()
	r := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.size), maxLine+1)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break // what stands behind the last end of a line is none
		}
		if err == nil {
			err = p.add(line)
		}
		if err != nil {
			return Segment{}, err
		}
	}
	return p.finish(Segment{Name: s.name, Replica: s.replica})
}
