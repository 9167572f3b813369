package market

import "errors"

// errOutputOnly is what the scalars answer that are only ever written.
var errOutputOnly = errors.New("this type is not an input")
