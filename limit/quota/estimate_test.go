package quota_test

import (
	"testing"
	"time"

	"github.com/coingraph/coingraph/limit/quota"
)

// standing is where a pool stands whose keys have used so many of 100 calls a minute and 3000 a month.
func standing(used ...int) quota.Status {
	var s quota.Status
	for _, n := range used {
		s.Keys = append(s.Keys, quota.KeyStatus{Windows: []quota.Window{
			{Rate: quota.Rate{Max: 100, Per: time.Minute}, Used: n}, {Rate: quota.Rate{Max: 3000, Per: 720 * time.Hour}, Used: n},
		}})
	}
	return s
}

func TestWait(t *testing.T) {
	for _, c := range []struct {
		status quota.Status
		lane   quota.Lane
		calls  int
		want   time.Duration
	}{
		{quota.Status{}, quota.Backfill, 1_000_000, 0}, // no limit
		{standing(0), quota.Backfill, 0, 0},
		{standing(0), quota.Backfill, 50, 0},                       // half of the minute's
		{standing(0), quota.Backfill, 51, 1500 * time.Millisecond}, // a fiftieth of a minute more, by the 120th
		{standing(0), quota.Refresh, 80, 0},
		{standing(40), quota.Backfill, 60, time.Minute},
		{standing(60), quota.Backfill, 25, 30 * time.Second}, // interactive callers took the reserve, too
		{standing(0, 50), quota.Backfill, 50, 0},
		{standing(0, 50), quota.Backfill, 150, time.Minute},
		{standing(0), quota.Backfill, 1500, 29 * time.Minute},
		{standing(0), quota.Backfill, 3000, 720 * time.Hour},
	} {
		if got := c.status.Wait(c.lane, c.calls); got != c.want {
			t.Errorf("%d calls in lane %s: %s, want %s", c.calls, c.lane, got, c.want)
		}
	}
}

func TestBudget(t *testing.T) {
	const day = 24 * time.Hour
	if _, limited := (quota.Status{}).Budget(quota.Refresh, day); limited {
		t.Error("there is a limit where there is none")
	}
	for _, c := range []struct {
		status quota.Status
		want   int
	}{
		{standing(0), 80},        // a 30th of the month's 2400
		{standing(0, 0), 160},    //
		{standing(2380), 20},     // what is left of the month
		{standing(2500), 0},      //
		{standing(2500, 0), 160}, // the other key has all of it
	} {
		if got, limited := c.status.Budget(quota.Refresh, day); got != c.want || !limited {
			t.Errorf("got %d, want %d", got, c.want)
		}
	}
}
