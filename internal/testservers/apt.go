//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// policy is asked by Debian's packages whether to start their services. Exit code 101 is no
// (https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt).
const policy = "/usr/sbin/policy-rc.d"

// install gets the servers' packages with apt-get, once, without starting the packages' own services.
func (s *stack) install(ctx context.Context) error {
	apt, err := s.lookPath("apt-get")
	switch {
	case err != nil:
		return errors.New("without apt-get they cannot be installed")
	case !s.root:
		return errors.New("only root can install them: apt-get install postgresql redis-server")
	case s.packages:
		return errors.New("their packages could not be installed")
	}
	s.packages = true
	s.say("installing postgresql and redis-server with apt-get")

	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	switch {
	case err == nil:
		defer os.Remove(policy)
		_, err = f.WriteString("#!/bin/sh\nexit 101\n")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrExist): // one that is there already stays in charge
		return err
	}
	for _, args := range [][]string{
		{"update", "--quiet"},
		{"install", "--yes", "--quiet", "--no-install-recommends", "postgresql", "redis-server"},
	} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, lines[len(lines)-1])
		}
	}
	return nil
}
