package cache

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// play gives an answer to replies as the client does.
func play(r *replies, answer string) error {
	for len(answer) > 0 {
		line, rest, ok := strings.Cut(answer, lineEnd)
		if !ok {
			return io.ErrUnexpectedEOF
		}
		if _, err := r.Write([]byte(line)); err != nil {
			return err
		}
		if _, err := r.Write([]byte(lineEnd)); err != nil {
			return err
		}
		if answer = rest; line[0] != '$' || line == "$-1" {
			continue
		}
		before := strings.NewReader(answer)
		if _, err := r.ReadFrom(before); err != nil {
			return err
		}
		answer = answer[len(answer)-before.Len():]
	}
	return nil
}

func TestReplies(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         string // "-" for each that is not there
		err          error
	}{
		{"values", "*3\r\n$1\r\na\r\n$-1\r\n$2\r\nbc\r\n", "a - bc", nil},
		{"RESP3", "*3\r\n_\r\n$1\r\na\r\n_\r\n", "- a -", nil},
		{"line ends inside", "*3\r\n$4\r\n\r\n\r\n\r\n$1\r\na\r\n$-1\r\n", "\r\n\r\n a -", nil},
		{"an error in place of a value", "*3\r\n$1\r\na\r\n-ERR x\r\n$1\r\nb\r\n", "a - b", nil},
		{"cut in a value", "*3\r\n$1\r\na\r\n$10\r\nbc", "a - -", io.ErrUnexpectedEOF},
		{"cut between values", "*3\r\n$1\r\na\r\n", "a - -", nil},
		{"too many", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", "a b c", errReply},
		{"no list", "+OK\r\n", "- - -", errReply},
		{"a length that is none", "*3\r\n$x\r\n", "- - -", errReply},
	} {
		var r replies
		r.reset(3)
		err := play(&r, c.answer)
		got := make([]string, len(r.values))
		for i, v := range r.values {
			if got[i] = "-"; v != nil {
				got[i] = string(v)
			}
		}
		if all := strings.Join(got, " "); all != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v, want %q, %v", c.name, all, err, c.want, c.err)
		}
	}

	var r replies
	r.reset(1)
	if err := play(&r, "-LOADING not yet\r\n"); !redis.IsLoadingError(err) {
		t.Errorf("the server's error became %v", err)
	}
	r.reset(2)
	if err := play(&r, "*2\r\n$1\r\na\r\n$1\r\nb\r\n"); err != nil || !bytes.Equal(append(r.values[0], 'x'), []byte("ax")) || string(r.values[1]) != "b" {
		t.Errorf("after another answer: %q, %v", r.values, err)
	}
}
