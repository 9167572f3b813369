package limit

import (
	"errors"
	"io"
	"strconv"
)

// MarshalGQL writes the endpoint's name.
func (e Endpoint) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(e.String())) }

// UnmarshalGQL refuses: endpoints only go out.
func (e *Endpoint) UnmarshalGQL(any) error { return errors.New("an endpoint is not an input") }
