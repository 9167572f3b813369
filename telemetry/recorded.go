package telemetry

import "log/slog"

// RecordedKey is the name of the attribute that [Recorded] gives.
const RecordedKey = "audit"

// Recorded is an attribute for a line about something that has an audit entry, which was written in the transaction of
// what it tells: the line goes to the console alone, so that the log has it once.
func Recorded() slog.Attr { return slog.Bool(RecordedKey, true) }
