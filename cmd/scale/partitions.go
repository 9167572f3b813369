package main

import (
	"fmt"
	"strings"
)

func partitioned(by string, partitions func() []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE points (LIKE plain, %s) PARTITION BY %s", key, by)
	for i, values := range partitions() {
		fmt.Fprintf(&b, "; CREATE UNLOGGED TABLE points_%d PARTITION OF points FOR VALUES %s", i, values)
	}
	return b.String()
}

func hashPartitions() []string {
	const n = 16
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf("WITH (MODULUS %d, REMAINDER %d)", n, i)
	}
	return parts
}

// yearPartitions are of 365 days each.
func yearPartitions() []string {
	var parts []string
	for d := dailyRows; d > 0; d -= 365 {
		parts = append(parts, fmt.Sprintf("FROM (%d) TO (%d)", end-int64(d)*day, end-int64(d-365)*day))
	}
	return parts
}
