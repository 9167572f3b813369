//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started from a local binary.
type process struct {
	cmd  *exec.Cmd
	log  string
	died chan struct{}
}

// spawn starts a server, in a process group of its own so that Ctrl-C leaves it to the tests until they have ended, and
// has it stopped at the end.
func (s *stack) spawn(dir string, as *syscall.Credential, stop syscall.Signal, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), log: filepath.Join(s.dir, filepath.Base(dir)+".log"), died: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.died)
	}()
	s.onClose(func() { p.stop(stop) })
	return p, nil
}

func (p *process) stop(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.died:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.died
	}
}

// explain adds the end of the server's log to an error.
func (p *process) explain(err error) error {
	log, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return fmt.Errorf("%s: %w; its log ends:\n\t%s", filepath.Base(p.cmd.Path), err, strings.Join(lines[max(0, len(lines)-8):], "\n\t"))
}

// busDistance is how far a Redis Cluster's bus port lies from the client port.
const busDistance = 10000

// freePorts are n ports of the loopback address that nobody uses now, and whose bus ports are free too.
func freePorts(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries == 1000 {
			return nil, fmt.Errorf("no free ports")
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only at the end, so that no port comes twice
		port := l.Addr().(*net.TCPAddr).Port
		if port+busDistance > 65535 {
			continue
		}
		bus, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+busDistance))
		if err != nil {
			continue
		}
		defer bus.Close()
		ports = append(ports, port)
	}
	return ports, nil
}

// again calls start up to three times: between the choice of a free port and its use, another process may take it.
func again(start func() error) error {
	var err error
	for range 3 {
		if err = start(); err == nil {
			return nil
		}
	}
	return err
}
