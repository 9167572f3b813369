package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalInt writes GraphQL's Int.
func MarshalInt(i int) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Itoa(i)) })
}

// UnmarshalInt reads GraphQL's Int: a JSON integer of 32 bits. gqlgen's own also takes "7" and 3000000000, which the
// specification forbids: https://spec.graphql.org/October2021/#sec-Int.Input-Coercion
func UnmarshalInt(v any) (int, error) {
	var i int64
	switch v := v.(type) {
	case int:
		i = int64(v)
	case int64:
		i = v
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 32)
		if err != nil {
			return 0, errInt
		}
		i = n
	default:
		return 0, errInt
	}
	if i < math.MinInt32 || i > math.MaxInt32 {
		return 0, errInt
	}
	return int(i), nil
}

var errInt = fmt.Errorf("must be an integer of 32 bits")
