package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// earliest is the first stamp that is believed: Bitcoin's first block.
var earliest = time.Date(2009, 1, 3, 0, 0, 0, 0, time.UTC)

// skew is how far a provider's clock may be ahead of ours.
const skew = time.Hour

// Object reads the members of a JSON object.
func Object(body []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("null is no object")
	}
	return members, nil
}

// Float reads a JSON number as the double nearest to it. One that no double comes near to is an error, as is text.
func Float(lexeme []byte) (float64, error) {
	if len(lexeme) == 0 || lexeme[0] != '-' && (lexeme[0] < '0' || lexeme[0] > '9') {
		return 0, fmt.Errorf("%.40q is no number", lexeme)
	}
	f, err := strconv.ParseFloat(string(lexeme), 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no finite number", lexeme)
	}
	return f, nil
}

// Value is a number, or null, which is NaN.
func Value(lexeme []byte) (float64, error) {
	if string(lexeme) == "null" {
		return math.NaN(), nil
	}
	return Float(lexeme)
}

// Amount is a number that is not negative, or null, which is NaN.
func Amount(lexeme []byte) (float64, error) {
	f, err := Value(lexeme)
	if err == nil && f < 0 {
		err = fmt.Errorf("%.40q is negative", lexeme)
	}
	return f, err
}

// Text is a JSON string with a number in it, as providers write numbers that must not lose digits. The number has the
// form of a JSON number.
func Text(lexeme []byte) ([]byte, error) {
	var s string
	if err := json.Unmarshal(lexeme, &s); err != nil || lexeme[0] != '"' || !json.Valid([]byte(s)) {
		return nil, fmt.Errorf("%.40q is no text with a number", lexeme)
	}
	return []byte(s), nil
}

// Digits reads a JSON integer that is not negative.
func Digits(lexeme []byte) (int64, error) {
	if len(lexeme) == 0 || len(lexeme) > 18 {
		return 0, fmt.Errorf("%.40q is no instant", lexeme)
	}
	var n int64
	for _, c := range lexeme {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%.40q is no instant", lexeme)
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// Instant checks that a stamp is one that a sample can have.
func Instant(t, now time.Time) error {
	if t.Before(earliest) || t.After(now.Add(skew)) {
		return fmt.Errorf("no sample is of %s", t.UTC().Format(time.RFC3339))
	}
	return nil
}
