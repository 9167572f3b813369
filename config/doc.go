// Package config turns environment variables into a [Config]: every fault is reported at once, and secrets redact
// themselves.
//
// One table (variables.go) declares each variable: its name, default, meaning, syntax and the field it fills. Loading,
// --help and docs/configuration.md are all read from it.
package config

//go:generate go test . -run TestReference -update
