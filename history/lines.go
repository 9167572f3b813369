package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine is the longest line that is read.
const maxLine = 64 << 10

// lines reads a text line by line, without blank ones.
type lines struct {
	scanner *bufio.Scanner
	number  int
}

func newLines(r io.Reader) *lines {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, maxLine), maxLine)
	return &lines{scanner: s}
}

func (l *lines) next() (string, error) {
	for l.scanner.Scan() {
		l.number++
		text := strings.TrimSpace(l.scanner.Text())
		if l.number == 1 {
			text = strings.TrimPrefix(text, "\uFEFF") // a byte order mark
		}
		if text != "" {
			return text, nil
		}
	}
	switch err := l.scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return "", fmt.Errorf("line %d is longer than %d bytes", l.number+1, maxLine)
	case err != nil:
		return "", err
	}
	return "", io.EOF
}
