//go:build soak

package main

import "testing"

func TestSoakKilledRefresh(t *testing.T) { killRefreshes(t, 20) }
