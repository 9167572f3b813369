package cache

import (
	"errors"
	"io"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// replies takes the values of an MGET out of a server's answer while that comes in, as a raw command of the client writes it:
// a line, its end, and after the line of a value the value and its end. Small values share an allocation, whose size the
// first of them tells. What came before an answer was cut is there.
type replies struct {
	values [][]byte // by the index of the key; nil: the server does not have it
	next   int      // the index of the value that comes next
	begun  bool     // the line that tells how many there are has come
	size   int      // of the value whose line came last, with its end
	room   []byte   // what is left of the allocation
}

const (
	// large is what has an allocation of its own, so that who keeps it keeps nothing else.
	large = 4 << 10
	// maxShared bounds an allocation that values share.
	maxShared = 32 << 10
)

const lineEnd = "\r\n"

var errReply = errors.New("an answer that MGET does not have")

// reset makes it ready for so many values.
func (r *replies) reset(n int) {
	if cap(r.values) < n {
		r.values = make([][]byte, n)
	}
	r.values = r.values[:n]
	clear(r.values)
	r.next, r.begun, r.room = 0, false, nil
}

// Write takes a line or its end.
func (r *replies) Write(line []byte) (int, error) {
	switch {
	case string(line) == lineEnd:
	case !r.begun:
		if line[0] == '-' { // which is all of the answer
			return len(line), replyError(redis.Nil, string(line[1:]))
		}
		if line[0] != '*' {
			return 0, errReply
		}
		r.begun = true
	case r.next == len(r.values):
		return 0, errReply
	default:
		r.next++
		if line[0] == '$' {
			n, err := strconv.Atoi(string(line[1:]))
			if err != nil {
				return 0, errReply
			}
			r.size = n + len(lineEnd)
		}
	}
	return len(line), nil
}

// ReadFrom takes the value whose line came last.
func (r *replies) ReadFrom(from io.Reader) (int64, error) {
	b := r.take(r.size)
	n, err := io.ReadFull(from, b)
	if err != nil {
		return int64(n), err
	}
	end := len(b) - len(lineEnd)
	r.values[r.next-1] = b[:end:end]
	return int64(n), nil
}

// take gives room for the value that comes now.
func (r *replies) take(n int) []byte {
	if n >= large {
		return make([]byte, n)
	}
	if len(r.room) < n {
		left := len(r.values) - r.next
		r.room = make([]byte, min(n+left*n, maxShared))
	}
	b := r.room[:n:n]
	r.room = r.room[n:]
	return b
}

// replyError is the error that the client makes of a server's: it is of a type that has no name outside of it.
func replyError[T ~string](_ T, text string) T { return T(text) }
