package main

import (
	"iter"
	"time"
)

const (
	dailyRows   = 3650    // of a daily series: 10 years
	hourlyDays  = 90      // that an hourly series has
	rowsOfAsset = 5810    // 3650 + 90 × 24
	day         = 86400e3 // in ms
	hour        = 3600e3
)

var end = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() // of all series

// market is so many assets, each with a daily series (ids 1, 3, 5, …) and an hourly one (2, 4, 6, …).
type market struct{ assets int }

func (m market) rows() int { return m.assets * rowsOfAsset }

// row is a row of the table of points.
type row struct {
	series int32
	ts     int64
}

func daily(asset, d int) row { return row{int32(2*asset + 1), end - int64(dailyRows-d)*day} }

// hours are the 24 rows of an asset's d-th of the last 90 days.
func hours(asset, d int, yield func(row) bool) bool {
	for h := range int64(24) {
		if !yield(row{int32(2*asset + 2), end - int64(hourlyDays-d)*day + h*hour}) {
			return false
		}
	}
	return true
}

// bySeries are all rows, one series after the other.
func (m market) bySeries() iter.Seq[row] {
	return func(yield func(row) bool) {
		for a := range m.assets {
			for d := range dailyRows {
				if !yield(daily(a, d)) {
					return
				}
			}
			for d := range hourlyDays {
				if !hours(a, d, yield) {
					return
				}
			}
		}
	}
}

// byDay are all rows, one day after the other.
func (m market) byDay() iter.Seq[row] {
	return func(yield func(row) bool) {
		for d := range dailyRows {
			for a := range m.assets {
				if !yield(daily(a, d)) {
					return
				}
				if h := d - (dailyRows - hourlyDays); h >= 0 && !hours(a, h, yield) {
					return
				}
			}
		}
	}
}

// columns are those of the table, in the order of values.
var columns = []string{"ts", "fetched_at", "price", "market_cap", "volume", "series_id", "source_id", "missing"}

// values has numbers that take all of their 8 bytes, as those of a market do.
func (r row) values() []any {
	x := float64(r.ts%9973) / 7
	return []any{r.ts, r.ts + 5400e3, x, x * 19e6, x * 1e5, r.series, int16(1), int16(0)}
}
