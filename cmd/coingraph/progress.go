package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/coingraph/coingraph/jobs"
)

// commandLevel is the least level that commands log: what goes well is shown by their progress.
const commandLevel = slog.LevelError

// progress shows how far a run is: on a terminal as a bar, elsewhere as lines.
type progress struct {
	env   *env
	bar   *progressbar.ProgressBar // nil: lines
	last  jobs.Run
	wrote time.Time
}

// lineEvery is how often a line is written at most, while nothing else changes than numbers.
const lineEvery = 5 * time.Second

func newProgress(e *env, run *jobs.Run) *progress {
	p := &progress{env: e, last: *run}
	fmt.Fprintf(e.stdout, "job %s: %s\n", run.ID(), strings.ToLower(string(run.Kind)))
	if isTerminal(e.stdout) {
		p.bar = progressbar.NewOptions(1,
			progressbar.OptionSetWriter(e.stdout), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("series"),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

// update shows the run as it is now.
func (p *progress) update(run *jobs.Run) {
	defer func() { p.last = *run }()
	if p.bar != nil {
		if run.Planned > 0 && int64(run.Planned) != p.bar.GetMax64() {
			p.bar.ChangeMax(run.Planned)
		}
		p.bar.Describe(fmt.Sprintf("%s, %d calls", strings.ToLower(string(run.State)), run.Calls))
		if run.Planned > 0 {
			_ = p.bar.Set(run.Done)
		}
		return
	}
	changed := run.State != p.last.State || run.Replica != p.last.Replica || run.Planned != p.last.Planned
	moved := run.Done != p.last.Done && time.Since(p.wrote) >= lineEvery
	if !changed && !moved && !(run.State.Finished() && !p.last.State.Finished()) {
		return
	}
	p.wrote = time.Now()
	fmt.Fprintf(p.env.stdout, "%s: %d of %d done, %d left, %d calls%s%s\n", strings.ToLower(string(run.State)), run.Done, run.Planned,
		run.Planned-run.Done, run.Calls, rateOf(run, time.Now()), on(run))
}

// rateOf is the rate and the time that is left at it.
func rateOf(run *jobs.Run, now time.Time) string {
	if run.StartedAt == nil || run.Done == 0 || run.State.Finished() {
		return ""
	}
	elapsed := now.Sub(*run.StartedAt)
	if elapsed <= 0 {
		return ""
	}
	left := time.Duration(float64(elapsed) / float64(run.Done) * float64(run.Planned-run.Done))
	return fmt.Sprintf(", %.1f a minute, %s to go", float64(run.Done)/elapsed.Minutes(), left.Round(time.Second))
}

func on(run *jobs.Run) string {
	if run.Replica == "" {
		return ""
	}
	return " (" + run.Replica + ")"
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Exit()
		fmt.Fprintln(p.env.stdout)
	}
}
