// Package relay has the parts that every cursor connection shares: https://relay.dev/graphql/connections.htm
package relay

import (
	"encoding/base64"
	"fmt"

	"github.com/coingraph/coingraph/fault"
)

// The sizes of a page.
const (
	DefaultFirst = 50
	MaxFirst     = 250
)

// PageInfo tells whether there is more, and where it begins.
type PageInfo struct {
	HasNextPage bool
	EndCursor   *string // nil on an empty page
}

// First is the page size that was asked for, or the default.
func First(first *int) (int, []fault.Field) {
	switch {
	case first == nil:
		return DefaultFirst, nil
	case *first < 1 || *first > MaxFirst:
		return 0, []fault.Field{{Field: "first", Message: fmt.Sprintf("must be a whole number from 1 to %d", MaxFirst)}}
	}
	return *first, nil
}

// Cursor makes a position opaque.
func Cursor(position string) string { return base64.RawURLEncoding.EncodeToString([]byte(position)) }

// After is the position behind a cursor; "" for none.
func After(cursor *string) (string, []fault.Field) {
	if cursor == nil || *cursor == "" {
		return "", nil
	}
	position, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil || len(position) == 0 || len(position) > 256 {
		return "", BadCursor()
	}
	return string(position), nil
}

// BadCursor says that a cursor is not one of ours.
func BadCursor() []fault.Field {
	return []fault.Field{{Field: "after", Message: "must be an endCursor that an earlier page gave"}}
}
