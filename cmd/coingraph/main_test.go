package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test's binary the program itself, for tests that need a process of its own.
const asProgram = "COINGRAPH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		time.Local = time.UTC
		os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process starts the program with the variables, and gives it with its address.
func process(t testing.TB, vars map[string]string) (*exec.Cmd, string, *safeBuffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve")
	cmd.Env = append(os.Environ(), asProgram+"=1", "LISTEN_ADDR=127.0.0.1:0")
	for k, v := range vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out := new(safeBuffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitOn(t, out, time.Minute, "the program", func() bool { return strings.Contains(out.String(), `"event":"catalogue.refresh"`) })
	_, address, _ := strings.Cut(out.String(), `"address":"`)
	address, _, _ = strings.Cut(address, `"`)
	return cmd, "http://" + address, out
}
