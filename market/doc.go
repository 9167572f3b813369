// Package market is the domain: assets, currencies, quotes and charts, the calendar of the grid they stand on, and
// [Service], the read-through that answers for them: memory, Redis, database, provider.
//
// Two habits run through it. Instants inside series are Unix milliseconds in UTC (int64), as providers send them and
// clients get them. A value that is null is NaN ([Null]): no provider can send one, JSON has none, and columns of plain
// float64 stay cheap; NaN never leaves the process as a number.
package market
