package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

// refreshed are ten assets, which are twenty series by day and by hour.
var refreshed = []string{"bitcoin", "ethereum", "tether", "binancecoin", "solana", "ripple", "usd-coin", "dogecoin", "cardano", "tron"}

// jobWorld is a simulated provider, and the variables of programs that ask it.
func jobWorld(t *testing.T, vars map[string]string) (*simulator.Simulator, map[string]string) {
	t.Helper()
	sim := simulator.New(simulator.Options{Seed: 7, Plan: simulator.Pro, Keys: []string{providerKey}})
	all := map[string]string{
		"COINGECKO_BASE_URL": serveHTTP(t, sim), "COINGECKO_PLAN": "pro", "COINGECKO_API_KEY": providerKey, "DATA_DIR": t.TempDir(),
		"UPSTREAM_TIMEOUT": "60s", "UPSTREAM_LIMITS": "coingecko=1000000/1m", "REFRESH_ASSETS": strings.Join(refreshed, ","), "JOB_LEASE": "2s", "TZ": "America/New_York",
	}
	maps.Copy(all, vars)
	return sim, all
}

// command is the program with arguments, as a process.
func command(t *testing.T, vars map[string]string, args ...string) (*exec.Cmd, *safeBuffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	for k, v := range vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out := new(safeBuffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, out
}

// finish waits for a command that has to end well.
func finish(t *testing.T, cmd *exec.Cmd, out *safeBuffer) {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// bought is how many calls the provider saw, but for those for the catalogue, which no job makes.
func bought(sim *simulator.Simulator) int { return sim.Total() - sim.Counts()["/coins/list"] }

// turns is how many times within a span the newest hour's point came to be due, or due again: each costs a call a series.
func turns(from, to time.Time) int {
	n := 0
	for at := from.Truncate(time.Hour); at.Before(to); at = at.Add(time.Hour) {
		for _, minutes := range []int{5, 15} {
			if turn := at.Add(time.Duration(minutes) * time.Minute); turn.After(from) && turn.Before(to) {
				n++
			}
		}
	}
	return n
}

// checkTruth compares all that is stored with the simulator's formula: each range that is said to have points has all of
// them, and each stored point is the formula's to the bit.
func checkTruth(t *testing.T, sim *simulator.Simulator, vars map[string]string) (points int) {
	t.Helper()
	db, err := store.Open(store.Options{DatabaseURL: vars["DATABASE_URL"], DataDir: vars["DATA_DIR"]})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	keys, err := db.StoredSeries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		all := market.Range{From: 0, To: key.Interval.Floor(time.Now().UnixMilli()) + 2*key.Interval.Step()}
		histories, err := db.Histories(t.Context(), []market.Window{{SeriesKey: key, Range: all}})
		if err != nil {
			t.Fatal(err)
		}
		h := histories[0]
		points += len(h.Points)
		given := make(map[int64]bool)
		for _, k := range h.Known {
			for at := k.From; k.Hole == "" && at < k.To; at += key.Interval.Step() {
				given[at] = true
			}
		}
		truth := make(map[int64]simulator.Point)
		if len(h.Points) > 0 {
			from, to := time.UnixMilli(h.Points[0].Stamp), time.UnixMilli(h.Points[len(h.Points)-1].Stamp)
			for _, p := range sim.Chart(key.Asset, key.Currency, from, to, time.Duration(key.Interval.Step())*time.Millisecond) {
				truth[p.Stamp] = p
			}
		}
		for _, p := range h.Points {
			want, ok := truth[p.Stamp]
			same := func(a, b float64) bool { return a == b || a != a && b != b }
			if !ok || !same(want.Price, p.Price) || !same(want.MarketCap, p.MarketCap) || !same(want.Volume, p.Volume) {
				t.Fatalf("%v at %d: got %+v, want %+v", key, p.Stamp, p, want)
			}
			delete(given, key.Interval.Snap(p.Stamp))
		}
		if len(given) > 0 {
			t.Fatalf("%v: %d instants are covered, and have no points", key, len(given))
		}
	}
	return points
}

// killRefreshes kills refreshes of twenty series, each after some more calls, and then lets one finish.
func killRefreshes(t *testing.T, kills int) {
	const concurrency = 4
	clean, vars := jobWorld(t, nil)
	began := time.Now()
	cmd, out := command(t, vars, "refresh")
	finish(t, cmd, out)
	want := bought(clean)
	points := checkTruth(t, clean, vars)
	if want != 21 || points == 0 {
		t.Fatalf("a clean run spends %d calls and stores %d points: %s", want, points, out)
	}

	sim, vars := jobWorld(t, nil)
	if err := sim.Inject(simulator.Fault{Match: "market_chart", Delay: 25 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	killed := 0
	for i := range kills {
		before := bought(sim)
		cmd, _ := command(t, vars, "refresh")
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait() // it is killed
			close(ended)
		}()
		done := false
		(&server{t: t, log: out}).await("calls of a refresh", func() bool {
			select {
			case <-ended:
				done = true
			default:
			}
			return done || bought(sim) > before+i%3
		})
		if done {
			break
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		killed++
		checkTruth(t, sim, vars)
	}
	sim.Clear()
	cmd, out = command(t, vars, "refresh")
	finish(t, cmd, out)
	spent, most := bought(sim), want+killed*concurrency+turns(began, time.Now())*2*len(refreshed)
	t.Logf("%d kills: %d calls, a clean run %d, at most %d", killed, spent, want, most)
	if killed == 0 || spent > most {
		t.Errorf("%d kills and %d calls, want at most %d", killed, spent, most)
	}
	if got := checkTruth(t, sim, vars); turns(began, time.Now()) == 0 && got != points {
		t.Errorf("%d points are stored, after a clean run %d", got, points)
	}
	if !strings.Contains(out.String(), " succeeded: ") || !strings.Contains(out.String(), "0 failed") {
		t.Errorf("the last run said: %s", out)
	}
}

func TestKilledRefresh(t *testing.T) { killRefreshes(t, 4) }

// job is a run as GraphQL tells of it.
type job struct {
	ID, State, Replica, By                                  string
	Planned, Done, Failed, Attempts, Points, Revised, Calls int
}

const jobFields = `id state replica by planned done failed attempts points revised calls`

func (s *server) job(query string) job {
	s.t.Helper()
	var data map[string]job
	s.query(adminKey, plain, query, nil).into(s.t, &data)
	for _, j := range data {
		return j
	}
	s.t.Fatal("there is no job")
	return job{}
}

func (s *server) finished(id string) job {
	s.t.Helper()
	var j job
	s.awaitFor(3*time.Minute, "the end of job "+id, func() bool {
		j = s.job(fmt.Sprintf(`{ job(id: %q) { %s } }`, id, jobFields))
		return j.State != "QUEUED" && j.State != "RUNNING"
	})
	return j
}

// TestStoppedHolder stops the replica that works on a refresh, and lets it go on after another one has finished it: the job
// is done once, and the late one writes nothing.
func TestStoppedHolder(t *testing.T) {
	for name, backend := range backends(t) {
		if name == "embedded" {
			continue // is one replica
		}
		t.Run(name, func(t *testing.T) {
			clearCache(t, backend["REDIS_URL"])
			sim, vars := jobWorld(t, backend)
			outs, cmds := map[string]*safeBuffer{}, map[string]*exec.Cmd{}
			var asked *server
			for i := range 3 {
				vars["DATA_DIR"] = t.TempDir()
				cmd, url, out := process(t, vars)
				t.Cleanup(func() {
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
				})
				outs[url], cmds[url] = out, cmd
				if i == 0 {
					asked = &server{t: t, url: url, log: out}
				}
			}
			release := sim.Hold("market_chart")
			t.Cleanup(release)
			id := asked.job(`mutation { refresh { ` + jobFields + ` } }`).ID
			working := func(except string) (url string) {
				asked.await("a replica that works", func() bool {
					for u, out := range outs {
						if u != except && strings.Contains(out.String(), `"event":"job.begin"`) {
							url = u
							return true
						}
					}
					return false
				})
				return url
			}
			holder := working("")
			if err := sim.Await(t.Context(), "market_chart", 4); err != nil {
				t.Fatal(err)
			}
			if err := cmds[holder].Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			for url, out := range outs {
				if url != holder {
					asked = &server{t: t, url: url, log: out}
				}
			}
			working(holder)
			release()
			got := asked.finished(id)
			if got.State != "SUCCEEDED" || got.Attempts != 2 || got.Done != got.Planned || got.Failed != 0 {
				t.Errorf("got %+v", got)
			}
			points, table := checkTruth(t, sim, vars), tableOf(t, vars["DATABASE_URL"])

			if err := cmds[holder].Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			asked.await("the late one's end", func() bool { return strings.Contains(outs[holder].String(), `"event":"job.fenced"`) })
			if after := asked.finished(id); after != got {
				t.Errorf("the late one changed the job: %+v, before %+v", after, got)
			}
			if checkTruth(t, sim, vars) != points || tableOf(t, vars["DATABASE_URL"]) != table {
				t.Error("the late one wrote points")
			}
			begun := 0
			for _, out := range outs {
				begun += strings.Count(out.String(), `"event":"job.begin"`)
			}
			if begun != 2 || strings.Count(outs[holder].String(), `"event":"job.end"`) != 0 {
				t.Errorf("the job was begun %d times", begun)
			}
		})
	}
}

// tableOf is a fingerprint of all stored points, with when they were fetched.
func tableOf(t *testing.T, databaseURL string) string {
	t.Helper()
	return oneValue(t, databaseURL, "SELECT md5(string_agg(p::text, '|' ORDER BY series_id, ts)) FROM charts.points AS p")
}

// TestRefreshTwice: refreshes at the same time, and a backfill of the same, store the same rows once.
func TestRefreshTwice(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		s.stop()
		s.env["REFRESH_ASSETS"] = "bitcoin,ethereum,solana"
		s.open()
		first := s.job(`mutation { refresh { ` + jobFields + ` } }`)
		fill := s.job(`mutation { backfill(assets: ["bitcoin", "ethereum"], days: 365) { ` + jobFields + ` } }`)
		again := s.job(`mutation { refresh(idempotencyKey: "again") { ` + jobFields + ` } }`)
		if joined := s.job(`mutation { refresh(idempotencyKey: "again") { ` + jobFields + ` } }`); joined.ID != again.ID {
			t.Errorf("the same key made another job: %+v", joined)
		}
		points := 0
		for _, id := range []string{first.ID, fill.ID, again.ID} {
			j := s.finished(id)
			if j.State != "SUCCEEDED" || j.Failed > 0 || j.Revised > 0 {
				t.Errorf("got %+v", j)
			}
			points += j.Points
		}
		if stored := checkTruth(t, s.sim, s.env); stored < points || points == 0 {
			t.Errorf("%d points are stored, %d were bought", stored, points)
		}
		s.sim.ResetCalls()
		began := time.Now()
		last := s.finished(s.job(`mutation { refresh { ` + jobFields + ` } }`).ID)
		if turns(began.Add(-time.Minute), time.Now()) == 0 && (last.Points != 0 || last.Calls > 1) {
			t.Errorf("a refresh right after one bought %+v", last)
		}
		// What was refreshed is served without a call.
		s.sim.ResetCalls()
		if got := s.get("/market_chart?asset=bitcoin&days=365", publicKey); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		if n := s.sim.Total(); n != 0 && turns(began, time.Now()) == 0 {
			t.Errorf("%d calls", n)
		}
		var list struct {
			Jobs struct {
				Nodes      []job
				Edges      []struct{ Node job }
				TotalCount int
				PageInfo   struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		s.query(adminKey, plain, `{ jobs(first: 2) { nodes { `+jobFields+` } edges { node { id } } totalCount pageInfo { hasNextPage endCursor } } }`, nil).into(t, &list)
		if len(list.Jobs.Nodes) != 2 || list.Jobs.Nodes[0].ID != last.ID || list.Jobs.TotalCount != 4 || !list.Jobs.PageInfo.HasNextPage || list.Jobs.Nodes[0].By != "dev-admin" {
			t.Errorf("got %+v", list)
		}
		s.query(adminKey, plain, `query($after: String) { jobs(after: $after) { nodes { id } totalCount pageInfo { hasNextPage endCursor } } }`,
			map[string]any{"after": list.Jobs.PageInfo.EndCursor}).into(t, &list)
		if len(list.Jobs.Nodes) != 2 || list.Jobs.Nodes[1].ID != first.ID || list.Jobs.PageInfo.HasNextPage {
			t.Errorf("got %+v", list)
		}
		for _, q := range []string{
			`{ jobs { totalCount } }`, `{ job(id: "1") { id } }`, `{ gaps(assets: ["bitcoin"], days: 7) { asset } }`,
			`mutation { refresh { id } }`, `mutation { backfill(assets: ["bitcoin"], days: 7) { id } }`, `mutation { cancelJob(id: "1") { id } }`,
		} {
			if got := s.query(publicKey, plain, q, nil); got.codes() != "FORBIDDEN" {
				t.Errorf("%s: %s", q, got.body)
			}
		}
		if got := s.query(adminKey, plain, `mutation { backfill(assets: ["a/b"], days: 0, idempotencyKey: "") { id } }`, nil); got.codes() != "BAD_USER_INPUT" || len(got.Errors[0].Extensions.Fields) != 3 {
			t.Errorf("got %s", got.body)
		}
		var gaps struct {
			Gaps []struct {
				Asset, Currency, Interval string
				Points, Missing           int
				Holes                     []struct{ Reason string }
			}
		}
		s.query(adminKey, plain, `{ gaps(assets: ["bitcoin"], currencies: [USD, EUR], days: 30) { asset currency interval points missing holes { reason } } }`, nil).into(t, &gaps)
		if len(gaps.Gaps) != 2 || gaps.Gaps[0].Currency != "EUR" || gaps.Gaps[0].Missing != 30 || gaps.Gaps[0].Holes[0].Reason != "FAILED" || gaps.Gaps[1].Missing != 0 {
			t.Errorf("got %+v", gaps)
		}
	})
}

// TestJobCommands runs the commands as operators do.
func TestJobCommands(t *testing.T) {
	sim, vars := jobWorld(t, map[string]string{"UPSTREAM_LIMITS": "coingecko=20/1h"})
	var environ []string
	for k, v := range vars {
		environ = append(environ, k+"="+v)
	}
	do := func(want int, args ...string) string {
		t.Helper()
		out := new(safeBuffer) // its log comes from elsewhere
		if code := run(t.Context(), args, environ, out, out); code != want {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
		return out.String()
	}
	fill := []string{"backfill", "--assets", "bitcoin,ethereum", "--currencies", "usd,eur", "--days", "max"}
	dry := do(exitOK, append(fill, "--dry-run")...)
	if dry != "4 of 4 series lack something: 4 calls, which the quota allows at once.\n" || bought(sim) != 0 {
		t.Errorf("the dry run said %s and spent %d calls", dry, bought(sim))
	}
	if long := do(exitOK, "backfill", "--assets", "bitcoin", "--interval", "hourly", "--days", "2000", "--dry-run"); !regexp.MustCompile(`: 2[23] calls, which the quota allows within 1h`).MatchString(long) {
		t.Errorf("the dry run said %s", long)
	}
	said := do(exitOK, fill...)
	if !regexp.MustCompile(`(?m)^job 1 succeeded: 4 of 4 done, 0 failed, 0 not offered; 4 calls, \d+ points new, 0 revised$`).MatchString(said) || bought(sim) != 4 {
		t.Errorf("it said %s and spent %d calls", said, bought(sim))
	}
	checkTruth(t, sim, vars)
	if gaps := do(exitOK, "gaps", "--days", "max"); !strings.Contains(gaps, "4 series, 4 of them without holes; 0 points missing") {
		t.Errorf("gaps said %s", gaps)
	}
	if gaps := do(exitOK, "gaps", "--assets", "solana", "--days", "2", "--interval", "hourly"); !strings.Contains(gaps, "NOT_FETCHED") || !strings.Contains(gaps, "48 points missing") {
		t.Errorf("gaps said %s", gaps)
	}
	if err := sim.Inject(simulator.Fault{Match: "solana", Status: 404}); err != nil {
		t.Fatal(err)
	}
	if said := do(exitOK, "backfill", "--assets", "solana", "--days", "7"); !strings.Contains(said, "solana usd daily: no provider offers it") || !strings.Contains(said, "1 not offered") {
		t.Errorf("it said %s", said)
	}
	sim.Clear()
	if err := sim.Inject(simulator.Fault{Match: "cardano", Status: 403}); err != nil {
		t.Fatal(err)
	}
	if said := do(exitFailed, "backfill", "--assets", "cardano", "--days", "7"); !strings.Contains(said, "1 failed") || !strings.Contains(said, "UPSTREAM_UNAVAILABLE") {
		t.Errorf("it said %s", said)
	}
	do(exitFailed, "backfill", "--assets", "no-such-asset")
	do(exitBadUsage, "backfill", "--interval", "weekly", "--assets", "bitcoin")
}

// TestInterruptedBackfill: SIGINT cancels the run, and the exit code says so.
func TestInterruptedBackfill(t *testing.T) {
	sim, vars := jobWorld(t, nil)
	release := sim.Hold("market_chart")
	t.Cleanup(release)
	cmd, out := command(t, vars, "backfill", "--assets", "bitcoin,ethereum", "--days", "30")
	if err := sim.Await(t.Context(), "market_chart", 2); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("it ended with %v", err)
	}
	if !strings.Contains(out.String(), "job 1 cancelled: 0 of 2 done") {
		t.Errorf("it said %s", out)
	}
	var line map[string]any
	for text := range strings.Lines(out.String()) {
		if json.Unmarshal([]byte(text), &line) == nil && line["level"] == "ERROR" {
			t.Errorf("it logged %s", text)
		}
	}
}
