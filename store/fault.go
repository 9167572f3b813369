package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/coingraph/coingraph/fault"
)

// fault translates an error of a database at this package's edge. The end of the caller's context stays recognisable as
// just that; what says that the database cannot serve becomes StoreUnavailable; the rest is a mistake of ours.
func (s *Store) fault(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("store: %s: %w: %w", op, ctx.Err(), err) // drivers report it in words of their own
	case ctx.Err() != nil:
		return fmt.Errorf("store: %s: %w", op, err)
	case s.closed.Load(), s.unavailable(err):
		return fault.Wrap(fault.StoreUnavailable, unavailableError{op, err})
	default:
		return fmt.Errorf("store: %s: %w", op, err)
	}
}

// unavailableError is the cause of a StoreUnavailable. It does not lead to errors of a context: a driver's own time limit
// on connecting ends in a DeadlineExceeded too, which callers would take for theirs.
type unavailableError struct {
	op  string
	err error
}

func (e unavailableError) Error() string { return "store: " + e.op + ": " + e.err.Error() }

func (e unavailableError) Unwrap() error {
	if errors.Is(e.err, context.DeadlineExceeded) || errors.Is(e.err, context.Canceled) {
		return nil
	}
	return e.err
}
