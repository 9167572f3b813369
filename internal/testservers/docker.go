//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	postgresImage = "postgres:15"
	redisImage    = "redis:7"
)

var errNoDocker = errors.New("docker does not answer")

// docker starts servers in containers.
type docker struct {
	*stack
	there bool
}

func (s *stack) findDocker(ctx context.Context) *docker {
	path, err := s.lookPath("docker")
	if err != nil {
		return &docker{stack: s}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return &docker{s, exec.CommandContext(ctx, path, "info").Run() == nil}
}

func (d *docker) do(ctx context.Context, args ...string) (string, error) {
	path, err := d.lookPath("docker")
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

// run starts a container, has it removed at the end, and gives its id.
func (d *docker) run(ctx context.Context, args ...string) (id string, err error) {
	id, err = d.do(ctx, append([]string{"run", "--detach", "--rm"}, args...)...)
	if err != nil {
		return "", err
	}
	d.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := d.do(ctx, "rm", "--force", "--volumes", id); err != nil {
			d.say("%v", err)
		}
	})
	return id, nil
}

// published is the address of the loopback that a container's port is published at.
func (d *docker) published(ctx context.Context, id, port string) (string, error) {
	out, err := d.do(ctx, "port", id, port)
	addr, _, _ := strings.Cut(out, "\n")
	return addr, err
}

func (d *docker) postgres(ctx context.Context) (url, what string, err error) {
	id, err := d.run(ctx, append([]string{"--publish", "127.0.0.1::5432", "--env", "POSTGRES_HOST_AUTH_METHOD=trust", postgresImage}, postgresSettings()...)...)
	if err != nil {
		return "", "", err
	}
	addr, err := d.published(ctx, id, "5432/tcp")
	if err != nil {
		return "", "", err
	}
	url = postgresURL(addr)
	return url, "container of " + postgresImage, await(ctx, nil, pingPostgres(url))
}

func (d *docker) redis(ctx context.Context) (url, what string, err error) {
	id, err := d.run(ctx, append([]string{"--publish", "127.0.0.1::6379", redisImage, "redis-server"}, redisSettings(6379)...)...)
	if err != nil {
		return "", "", err
	}
	addr, err := d.published(ctx, id, "6379/tcp")
	if err != nil {
		return "", "", err
	}
	return "redis://" + addr, "container of " + redisImage, await(ctx, nil, pingRedis(addr))
}

// cluster runs all three nodes in one container: what they call each other, 127.0.0.1 and a port, is then what clients
// outside may call them too.
func (d *docker) cluster(ctx context.Context) (url, what string, err error) {
	ports, err := freePorts(3)
	if err != nil {
		return "", "", err
	}
	var args, addrs []string
	var script strings.Builder
	for _, port := range ports {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
		args = append(args, "--publish", fmt.Sprintf("127.0.0.1:%d:%d", port, port))
		fmt.Fprintf(&script, "redis-server --protected-mode no")
		for _, setting := range clusterSettings(port) {
			fmt.Fprintf(&script, " '%s'", setting)
		}
		script.WriteString(" & ")
	}
	if _, err := d.run(ctx, append(args, redisImage, "sh", "-c", script.String()+"wait")...); err != nil {
		return "", "", err
	}
	for _, addr := range addrs {
		if err := await(ctx, nil, pingRedis(addr)); err != nil {
			return "", "", err
		}
	}
	return "redis://" + strings.Join(addrs, ","), "container of " + redisImage + ", three servers", formCluster(ctx, addrs)
}
