package cryptoquant

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// decodeRows reads the rows of a metric: ascending, one a stamp. Of rows with the same stamp the last in the body counts.
// Refused whole are: a body without result.data; rows of another window; a row without a stamp, off the grid, older than
// Bitcoin or more than an hour ahead of now; a row without the metric's key; a value that is text or not finite, or is
// negative where it cannot be.
func decodeRows(body []byte, s series, now time.Time) ([]market.Point, error) {
	var answer struct {
		Result *struct {
			Window string                       `json:"window"`
			Data   []map[string]json.RawMessage `json:"data"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	switch {
	case answer.Result == nil || answer.Result.Data == nil:
		return nil, errors.New("there is no result.data")
	case answer.Result.Window != "" && answer.Result.Window != s.window:
		return nil, fmt.Errorf("the rows are of the window %.20q, not %s", answer.Result.Window, s.window)
	}
	points := make([]market.Point, 0, len(answer.Result.Data))
	for i, row := range answer.Result.Data {
		p, err := decodeRow(row, s, now)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		points = append(points, p)
	}
	return wire.Ascending(points), nil // they come newest first
}

func decodeRow(row map[string]json.RawMessage, s series, now time.Time) (market.Point, error) {
	stamp, err := decodeStamp(row)
	if err == nil {
		err = wire.Instant(stamp, now)
	}
	if err != nil {
		return market.Point{}, err
	}
	t := stamp.UnixMilli()
	if s.interval.Floor(t) != t {
		return market.Point{}, fmt.Errorf("%s is no start of the window %s", stamp.Format(time.DateTime), s.window)
	}
	if _, fine := row[stamps[0].key]; s.interval != market.Daily && !fine {
		return market.Point{}, errors.New("it has a date and no time")
	}
	raw, there := row[s.field]
	if !there {
		return market.Point{}, fmt.Errorf("there is no %s", s.field)
	}
	read := wire.Amount
	if s.signed {
		read = wire.Value
	}
	v, err := read(raw)
	if err != nil {
		return market.Point{}, fmt.Errorf("%s: %w", s.field, err)
	}
	return market.Point{Stamp: t, Price: v, MarketCap: math.NaN(), Volume: math.NaN()}, nil
}

// decodeStamp reads a row's stamp: the finest that it has.
func decodeStamp(row map[string]json.RawMessage) (time.Time, error) {
	for _, form := range stamps {
		raw, there := row[form.key]
		if !there {
			continue
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return time.Time{}, fmt.Errorf("%s is no text", form.key)
		}
		t, err := time.Parse(form.layout, text)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s %.40q has another form", form.key, text)
		}
		return t, nil
	}
	return time.Time{}, errors.New("there is no stamp")
}
