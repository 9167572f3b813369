package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// kind is a type of values: what it takes, in words, and how a text that is not empty becomes one. Errors of parse say
// what is wrong without showing the text, which may be a secret.
type kind[T any] struct {
	takes string
	parse func(text string) (T, error)
}

// maxDuration is ten years: beyond all use, and far from where adding to a time overflows.
const maxDuration = 87_600 * time.Hour

var (
	duration   = kind[time.Duration]{"a duration above 0, such as 15s, 5m or 720h", parseDuration}
	window     = kind[time.Duration]{"a duration of whole seconds, such as 1m", parseWindow}
	unitLease  = kind[time.Duration]{"a duration from 1ms to 1s, or 0", parseUnitLease}
	size       = kind[int64]{"a size from 1KiB to 1GiB, such as 256KiB", parseSize}
	sizeOrNone = kind[int64]{"0, or a size from 1KiB to 1GiB, such as 64MiB", parseSizeOrNone}
	level      = kind[slog.Level]{"debug, info, warn or error", parseLevel}
	onOff      = kind[bool]{"on or off", parseOnOff}
	path       = kind[string]{"a path", parsePath}
	word       = kind[string]{"a text without blanks", parseWord}
	secretText = kind[Secret]{"a text without blanks", parseSecret}
	secretPool = kind[[]Secret]{"a key, or several separated by commas", parseSecretPool}
	tier       = kind[string]{"a tier: lower-case letters, digits, - and _", parseTier}
	currencies = kind[[]string]{"currencies separated by commas, such as usd,eur", parseCurrencies}

	assetChoice = kind[AssetChoice]{"CoinGecko's asset ids separated by commas, such as bitcoin,ethereum, or top: and a number from 1 to 5000", parseAssetChoice}
)

// oneOf takes one of the texts.
func oneOf[T ~string](texts ...T) kind[T] {
	return kind[T]{oneOfWords(texts), func(text string) (T, error) {
		if !slices.Contains(texts, T(text)) {
			return "", errors.New("is none of these")
		}
		return T(text), nil
	}}
}

func oneOfWords[T ~string](texts []T) string {
	words := make([]string, len(texts))
	for i, t := range texts {
		words[i] = string(t)
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// namesOf takes a list of some of the names.
func namesOf(names ...string) kind[[]string] {
	one := oneOf(names...)
	return kind[[]string]{"names separated by commas: " + one.takes, func(text string) ([]string, error) {
		return parseList(text, one.parse)
	}}
}

// whole takes an integer.
func whole(least, most int) kind[int] {
	return kind[int]{fmt.Sprintf("a whole number from %d to %d", least, most), func(text string) (int, error) {
		return parseWhole(text, least, most)
	}}
}

// factor takes 0 for off, or an integer from the least on.
func factor(least, most int) kind[int] {
	return kind[int]{fmt.Sprintf("0, or a whole number from %d to %d", least, most), func(text string) (int, error) {
		n, err := parseWhole(text, 0, most)
		if err == nil && n > 0 && n < least {
			err = errors.New("is out of range")
		}
		return n, err
	}}
}

// parseWhole reads decimal digits without sign.
func parseWhole(text string, least, most int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, errors.New("is not a whole number in range")
	}
	if int(n) < least || int(n) > most {
		return 0, errors.New("is out of range")
	}
	return int(n), nil
}

// parseList reads different items separated by commas, with blanks around them or not.
func parseList[T comparable](text string, parse func(string) (T, error)) ([]T, error) {
	items := strings.Split(text, ",")
	list := make([]T, 0, len(items))
	for i, item := range items {
		v, err := parse(strings.TrimSpace(item))
		switch {
		case err != nil:
			return nil, fmt.Errorf("item %d %w", i+1, err)
		case slices.Contains(list, v):
			return nil, fmt.Errorf("item %d is there twice", i+1)
		}
		list = append(list, v)
	}
	return list, nil
}

// matching reads a text that a pattern matches.
func matching(pattern *regexp.Regexp) func(string) (string, error) {
	return func(text string) (string, error) {
		if !pattern.MatchString(text) {
			return "", errors.New("has another form")
		}
		return text, nil
	}
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, errors.New("is not a duration")
	case d <= 0 || d > maxDuration:
		return 0, errors.New("is out of range")
	}
	return d, nil
}

func parseWindow(text string) (time.Duration, error) {
	d, err := parseDuration(text)
	if err == nil && d%time.Second != 0 {
		err = errors.New("has a fraction of a second")
	}
	return d, err
}

func parseUnitLease(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	d, err := parseDuration(text)
	if err == nil && (d < time.Millisecond || d > time.Second) {
		err = errors.New("is out of range")
	}
	return d, err
}

func parseSizeOrNone(text string) (int64, error) {
	if text == "0" {
		return 0, nil
	}
	return parseSize(text)
}

func parseSize(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	switch {
	case err != nil:
		return 0, errors.New("is not a size")
	case n < 1<<10 || n > 1<<30 || n > math.MaxInt64:
		return 0, errors.New("is out of range")
	}
	return int64(n), nil
}

func parseLevel(text string) (slog.Level, error) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, l.String()) {
			return l, nil
		}
	}
	return 0, errors.New("is no level")
}

func parseOnOff(text string) (bool, error) {
	if text != "on" && text != "off" {
		return false, errors.New("is neither")
	}
	return text == "on", nil
}

func parsePath(text string) (string, error) {
	if strings.ContainsRune(text, 0) {
		return "", errors.New("has a NUL byte")
	}
	return text, nil
}

// parseWord takes what can stand in a header: visible ASCII.
func parseWord(text string) (string, error) {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return "", errors.New("has a blank, a control character or a letter beyond ASCII")
		}
	}
	if text == "" {
		return "", errors.New("is empty")
	}
	return text, nil
}

func parseSecret(text string) (Secret, error) {
	word, err := parseWord(text)
	return NewSecret(word), err
}

func parseSecretPool(text string) ([]Secret, error) {
	words, err := parseList(text, parseWord)
	if err != nil {
		return nil, err
	}
	secrets := make([]Secret, len(words))
	for i, w := range words {
		secrets[i] = NewSecret(w)
	}
	return secrets, nil
}

var (
	tierForm     = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)
	keyNameForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	currencyForm = regexp.MustCompile(`^[a-z]{2,10}$`)
	// The characters of CoinGecko's catalogue, which has "_", "1move token" and "boringdao-[old]".
	assetForm = regexp.MustCompile(`^[a-z0-9_\[\]-]([a-z0-9_\[\]. -]{0,126}[a-z0-9_\[\].-])?$`)
)

func parseTier(text string) (string, error) { return matching(tierForm)(text) }

func parseAssetChoice(text string) (AssetChoice, error) {
	if number, ok := strings.CutPrefix(text, "top:"); ok {
		n, err := parseWhole(number, 1, 5000)
		return AssetChoice{Top: n}, err
	}
	ids, err := parseList(text, matching(assetForm))
	return AssetChoice{IDs: ids}, err
}

func parseCurrencies(text string) ([]string, error) {
	return parseList(strings.ToLower(text), matching(currencyForm))
}
