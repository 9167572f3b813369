package config

import (
	"errors"
	"strings"
)

var cron = kind[string]{"five fields (minute, hour, day of month, month, day of week) in UTC, such as 10 1 * * *", parseCron}

// parseCron checks the five fields of crontab(5) in numbers: lists, ranges and steps, without names, where the day of
// week is 0 to 7 with two Sundays. The fields come back with one blank between.
func parseCron(text string) (string, error) {
	fields := strings.Fields(text)
	bounds := [...]struct {
		name        string
		least, most int
	}{{"minute", 0, 59}, {"hour", 0, 23}, {"day of month", 1, 31}, {"month", 1, 12}, {"day of week", 0, 7}}
	if len(fields) != len(bounds) {
		return "", errors.New("has not five fields")
	}
	for i, b := range bounds {
		for part := range strings.SplitSeq(fields[i], ",") {
			if !validCronPart(part, b.least, b.most) {
				return "", errors.New("has a " + b.name + " that is none")
			}
		}
	}
	return strings.Join(fields, " "), nil
}

// validCronPart checks *, n, n-m, and the first and the last of them with /step.
func validCronPart(part string, least, most int) bool {
	span, step, stepped := strings.Cut(part, "/")
	if stepped {
		if _, err := parseWhole(step, 1, most); err != nil {
			return false
		}
	}
	if span == "*" {
		return true
	}
	from, to, ranged := strings.Cut(span, "-")
	first, err := parseWhole(from, least, most)
	if err != nil {
		return false
	}
	if !ranged {
		return !stepped
	}
	last, err := parseWhole(to, least, most)
	return err == nil && first <= last
}
