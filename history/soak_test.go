//go:build soak

package history_test

import "testing"

func TestSoakFlatMemory(t *testing.T) { flatMemory(t, 500_000) }
