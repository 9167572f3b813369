// Package wire is what the clients of all providers share: one HTTP call with its bounds, the fault of a call that got no
// whole answer, the evidence that a refusal leaves for the log, how long an answer says to wait, and how numbers and
// instants are read strictly. What an answer means is each provider's own.
package wire
