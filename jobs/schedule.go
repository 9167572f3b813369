package jobs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is a crontab's five fields, in UTC: there is no daylight saving time to skip or repeat an instant.
type Schedule struct {
	minutes, hours, days, months, weekdays uint64 // bit n is set for n
	anyDay                                 bool   // the day of month is *: the day of week alone decides, and vice versa
	anyWeekday                             bool
}

// ParseSchedule reads minute, hour, day of month, month and day of week in numbers: *, n, n-m, lists, and steps with /.
// The week begins with Sunday, which is 0 and 7. Where both days are restricted, one of them suffices, as in crontab(5).
func ParseSchedule(text string) (Schedule, error) {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return Schedule{}, fmt.Errorf("jobs: schedule %q has not five fields", text)
	}
	var s Schedule
	for i, f := range [...]struct {
		into        *uint64
		least, most int
	}{{&s.minutes, 0, 59}, {&s.hours, 0, 23}, {&s.days, 1, 31}, {&s.months, 1, 12}, {&s.weekdays, 0, 7}} {
		for part := range strings.SplitSeq(fields[i], ",") {
			bits, err := parsePart(part, f.least, f.most)
			if err != nil {
				return Schedule{}, fmt.Errorf("jobs: schedule %q: %w", text, err)
			}
			*f.into |= bits
		}
	}
	if s.weekdays&(1<<7) != 0 {
		s.weekdays |= 1
	}
	s.anyDay, s.anyWeekday = strings.HasPrefix(fields[2], "*"), strings.HasPrefix(fields[4], "*")
	return s, nil
}

func parsePart(part string, least, most int) (bits uint64, err error) {
	span, stepText, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
			return 0, fmt.Errorf("%q has no step", part)
		}
	}
	from, to := least, most
	if span != "*" {
		first, last, ranged := strings.Cut(span, "-")
		if from, err = strconv.Atoi(first); err != nil {
			return 0, fmt.Errorf("%q is no number", part)
		}
		to = from
		if ranged {
			if to, err = strconv.Atoi(last); err != nil {
				return 0, fmt.Errorf("%q is no range", part)
			}
		}
	}
	if from < least || to > most || from > to {
		return 0, fmt.Errorf("%q is not within %d to %d", part, least, most)
	}
	for n := from; n <= to; n += step {
		bits |= 1 << n
	}
	return bits, nil
}

// maxDays is how far back a schedule is looked through: 29 February on a given day of the week comes every 40 years.
const maxDays = 41 * 366

// Last is the last instant of the schedule at or before now; false: there is none, as of 31 February.
func (s Schedule) Last(now time.Time) (time.Time, bool) {
	now = now.UTC().Truncate(time.Minute)
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	last := now.Hour()*60 + now.Minute() // of the day, in minutes
	for range maxDays {
		if s.on(day) {
			for m := last; m >= 0; m-- {
				if s.hours&(1<<(m/60)) != 0 && s.minutes&(1<<(m%60)) != 0 {
					return day.Add(time.Duration(m) * time.Minute), true
				}
			}
		}
		day, last = day.AddDate(0, 0, -1), 24*60-1
	}
	return time.Time{}, false
}

func (s Schedule) on(day time.Time) bool {
	if s.months&(1<<int(day.Month())) == 0 {
		return false
	}
	date, weekday := s.days&(1<<day.Day()) != 0, s.weekdays&(1<<int(day.Weekday())) != 0
	if s.anyDay || s.anyWeekday {
		return date && weekday
	}
	return date || weekday
}
