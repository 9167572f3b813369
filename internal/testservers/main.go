//go:build unix

// Command testservers runs a command, such as go test ./..., with the servers at hand that the tests want: Postgres,
// Redis and a Redis Cluster of three masters. It is what stands behind make test.
//
//	testservers -- command [argument…]
//
// The command finds them in TEST_DATABASE_URL, TEST_REDIS_URL and TEST_REDIS_CLUSTER_URL. A variable that is already set
// is passed on as it is. For the others: containers, if docker answers; else private servers from the binaries of
// this machine, in a temporary directory and on random ports of the loopback address; root has missing binaries
// installed with apt-get. What cannot be had is reported and left unset, and tests that want it skip; with CI=true that
// is an error instead.
//
// The servers go when the command has ended, also after SIGINT, SIGTERM and SIGHUP, which are passed on to it. The exit code is
// the command's, 1 when the servers could not be started, 2 for wrong usage. Note that go run turns every code but 0 into 1;
// scripts/test does not.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9/logging"
)

func main() {
	logging.Disable() // a server that is not up yet is no news here
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], signals, os.Stderr, thisMachine()))
}

// startTimeout bounds the start of all servers, the download of images and packages included.
const startTimeout = 10 * time.Minute

// killAfter is how long the command has to end after a signal.
const killAfter = 10 * time.Second

func run(args []string, signals <-chan os.Signal, out io.Writer, m machine) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		say(out, "usage: testservers -- command [argument…]")
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s, err := newStack(out, m)
	if err != nil {
		say(out, "%v", err)
		return 1
	}
	defer s.close()

	started := make(chan struct{})
	go func() {
		defer close(started)
		err = s.start(ctx)
	}()
	select {
	case <-started:
	case sig := <-signals:
		cancel()
		<-started // what it has begun is registered for close then
		return exitCode(sig)
	}
	if err != nil {
		say(out, "%v", err)
		return 1
	}
	return execute(args, s.environ(), signals, out)
}

// execute runs the command in a process group of its own and gives its exit code. Signals go to the whole group: a go
// test that ends would otherwise leave its test binaries behind. A background group must not read the terminal, so there is
// no stdin.
func execute(args, environ []string, signals <-chan os.Signal, out io.Writer) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = environ
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		say(out, "%v", err)
		return 127 // as a shell answers
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var kill <-chan time.Time
	for {
		select {
		case sig := <-signals:
			_ = syscall.Kill(-cmd.Process.Pid, sig.(syscall.Signal))
			if kill == nil {
				kill = time.After(killAfter)
			}
		case <-kill:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		case err := <-ended:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				say(out, "%v", err)
				return 1
			}
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				return exitCode(status.Signal())
			}
			return cmd.ProcessState.ExitCode()
		}
	}
}

// say writes a line about what this program does, apart from what the command writes.
func say(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, "testservers: "+format+"\n", args...)
}

// exitCode is what a shell answers for a process that a signal ended.
func exitCode(sig os.Signal) int { return 128 + int(sig.(syscall.Signal)) }

// inCI tells whether what is missing is an error.
func inCI() bool { return strings.EqualFold(os.Getenv("CI"), "true") || os.Getenv("CI") == "1" }
