package store

import (
	"database/sql"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// instant reads a stored time.
func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// number is a double as the database has it: NULL is NaN.
type number float64

// ScanFloat64 implements [pgtype.Float64Scanner], which spares pgx a detour over an interface value.
func (n *number) ScanFloat64(v pgtype.Float8) error {
	*n = number(math.NaN())
	if v.Valid {
		*n = number(v.Float64)
	}
	return nil
}

// Scan implements [sql.Scanner].
func (n *number) Scan(src any) error {
	var v sql.NullFloat64
	if err := v.Scan(src); err != nil {
		return err
	}
	return n.ScanFloat64(pgtype.Float8{Float64: v.Float64, Valid: v.Valid})
}
