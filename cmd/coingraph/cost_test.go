package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// BenchmarkLogCost compares the CPU time that two servers spend on a warm price, one that logs requests and one that does
// not (LOG_LEVEL=error). They are processes of their own, asked in turns for five rounds; the figures are the medians.
//
//	go test -run '^$' -bench LogCost -benchtime 1x ./cmd/coingraph
func BenchmarkLogCost(b *testing.B) {
	const rounds, requests, clients = 5, 6000, 4
	sim := simulator.New(simulator.Options{Seed: 7, Plan: simulator.Public})
	upstream := serveHTTP(b, sim)
	server := func(level string) (pid int, url string) {
		free, err := net.Listen("tcp", "127.0.0.1:0") // the one that does not log does not say where it listens
		if err != nil {
			b.Fatal(err)
		}
		address := free.Addr().String()
		free.Close()
		cmd := exec.CommandContext(b.Context(), os.Args[0], "serve")
		cmd.Env = append(os.Environ(), asProgram+"=1", "LISTEN_ADDR="+address, "COINGECKO_BASE_URL="+upstream, "COINGECKO_PLAN=public", "DATA_DIR="+b.TempDir(), "PRICE_TTL=1h", "LOG_LEVEL="+level)
		out := new(safeBuffer)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		url = "http://" + address
		awaitOn(b, out, 20*time.Second, "the server", func() bool {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url+"/simple_price?assets=bitcoin", nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("X-API-Key", publicKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
		return cmd.Process.Pid, url
	}
	var spent [2][]float64
	var pids [2]int
	var urls [2]string
	for i, level := range []string{"info", "error"} {
		pids[i], urls[i] = server(level)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	ask := func(url string, n int) {
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				for range n / clients {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/graphql", strings.NewReader(`{"query":"query Price { simplePrice(assets: [\"bitcoin\"]) { price marketCap } }"}`))
					if err != nil {
						b.Error(err)
						return
					}
					req.Header.Set("X-API-Key", publicKey)
					req.Header.Set("Content-Type", plain)
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		}
		group.Wait()
	}
	for b.Loop() {
		for round := range rounds + 1 {
			for i := range pids {
				before := cpuOf(b, pids[i])
				ask(urls[i], requests)
				if round > 0 { // the first one warms up
					spent[i] = append(spent[i], float64((cpuOf(b, pids[i])-before).Microseconds())/requests)
				}
			}
		}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	on, off := median(spent[0]), median(spent[1])
	b.ReportMetric(on, "on-µs/request")
	b.ReportMetric(off, "off-µs/request")
	b.ReportMetric(on/off, "ratio")
	b.ReportMetric(0, "ns/op") // the time of the clients says nothing
}

// cpuOf is the CPU time that a process has spent.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		b.Skip("skipped: there is no /proc: ", err)
	}
	var total time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if err != nil {
			continue // it ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(ns)
	}
	return total
}
