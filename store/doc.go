// Package store keeps market data, the log and API keys in Postgres or, where none is configured, in an embedded SQLite
// file: it is market.Store, audit.Store and auth.KeyStore on both.
//
// # What is the same on both
//
// Bun runs the migrations, the transactions and the statements in which little data moves. What moves much (quotes,
// points, the log's entries) or is asked for all the time (keys) goes in as columns: one statement over unnest on Postgres,
// one prepared statement or one JSON text on SQLite; texts of statements are constant and values are always bound, which
// keeps doubles bit for bit. SQL is written in Postgres' spelling; the schema of a table becomes its prefix on SQLite
// ("charts.points", "charts_points"), which [names] decides.
//
// Instants are kept as Unix milliseconds in UTC, finer parts cut off, so the time zones of process, server and session
// mean nothing here. NaN in memory is NULL in the database, and so is the zero time of what has not happened to a key.
//
// # Postgres
//
// A pool of pgx (at most the greater of 4 and the number of CPUs, or pool_max_conns of the URL; the other pool_…
// parameters of pgxpool work too). A connection has to be up within a second, and one that was idle has to answer a ping
// within a second before it is used again. Without a free connection a call waits until its context ends.
// Statements that carry data are prepared once a connection; behind a pooler that cannot do that, name another way in
// the URL: default_query_exec_mode=exec.
//
// # SQLite
//
// One file, coingraph.db, in WAL mode. All writes of a process go through one connection, where they queue in order;
// several processes on one file wait for each other for up to five seconds. A commit survives the death of the process;
// the last ones may be lost, whole, when the machine loses power.
package store
