//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// redisSettings keep nothing on disk.
func redisSettings(port int) []string {
	return []string{"--port", strconv.Itoa(port), "--save", "", "--appendonly", "no"}
}

// clusterSettings make it a node of a cluster, with a file for what it knows of the others.
func clusterSettings(port int) []string {
	return append(redisSettings(port), "--cluster-enabled", "yes", "--cluster-config-file", fmt.Sprintf("nodes-%d.conf", port))
}

func (s *stack) redisServer(ctx context.Context) (string, error) {
	if path, err := s.lookPath("redis-server"); err == nil {
		return path, nil
	}
	if err := s.install(ctx); err != nil {
		return "", fmt.Errorf("there is no docker and no redis-server here, and %w", err)
	}
	return s.lookPath("redis-server")
}

func (s *stack) localRedis(ctx context.Context) (url, what string, err error) {
	path, err := s.redisServer(ctx)
	if err != nil {
		return "", "", err
	}
	err = again(func() error {
		addrs, err := s.spawnRedis(ctx, path, 1, redisSettings)
		url = "redis://" + strings.Join(addrs, ",")
		return err
	})
	return url, "local " + path, err
}

func (s *stack) localCluster(ctx context.Context) (url, what string, err error) {
	path, err := s.redisServer(ctx)
	if err != nil {
		return "", "", err
	}
	err = again(func() error {
		addrs, err := s.spawnRedis(ctx, path, 3, clusterSettings)
		if err != nil {
			return err
		}
		url = "redis://" + strings.Join(addrs, ",")
		return formCluster(ctx, addrs)
	})
	return url, "local " + path + ", three of them", err
}

// spawnRedis starts n servers and waits for them.
func (s *stack) spawnRedis(ctx context.Context, path string, n int, settings func(port int) []string) (addrs []string, err error) {
	ports, err := freePorts(n)
	if err != nil {
		return nil, err
	}
	for _, port := range ports {
		dir, err := s.subdir(fmt.Sprintf("redis-%d", port))
		if err != nil {
			return nil, err
		}
		p, err := s.spawn(dir, nil, syscall.SIGTERM, path, append(settings(port), "--bind", "127.0.0.1")...)
		if err != nil {
			return nil, err
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if err := await(ctx, p.died, pingRedis(addr)); err != nil {
			return nil, p.explain(err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

func pingRedis(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
		defer c.Close()
		return c.Ping(ctx).Err()
	}
}

const slots = 16384 // https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/

// formCluster makes the servers masters of one cluster, with a share of the slots each, and waits until all of them know.
func formCluster(ctx context.Context, addrs []string) error {
	nodes := make([]*redis.Client, len(addrs))
	for i, addr := range addrs {
		nodes[i] = redis.NewClient(&redis.Options{Addr: addr})
		defer nodes[i].Close()
	}
	for i, node := range nodes {
		from, to := slots*i/len(nodes), slots*(i+1)/len(nodes)-1
		// Epochs that differ from the start spare the nodes a conflict to solve.
		if err := node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
		if err := node.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			return err
		}
		if i > 0 {
			host, port, _ := strings.Cut(addrs[i], ":")
			if err := nodes[0].ClusterMeet(ctx, host, port).Err(); err != nil {
				return err
			}
		}
	}
	for _, node := range nodes {
		err := await(ctx, nil, func(ctx context.Context) error {
			info, err := node.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			for _, line := range []string{"cluster_state:ok", fmt.Sprintf("cluster_slots_assigned:%d", slots), fmt.Sprintf("cluster_known_nodes:%d", len(nodes))} {
				if !strings.Contains(info, line+"\r\n") {
					return errors.New("the cluster has not " + line)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
