package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// fileSuffix makes, of a variable's name, the name of the variable that says in which file the value is.
const fileSuffix = "_FILE"

// maxFile bounds what is read of such a file: a mistaken /dev/zero must not eat the memory.
const maxFile = 64 << 10

// Fault is one thing that is wrong. It never shows a value: that may be a secret, also by mistake.
type Fault struct {
	Variable string // as the user wrote it, with _FILE where it was that
	Message  string
}

// Error is every fault of an environment, in the order of the reference.
type Error struct{ Faults []Fault }

// Error has a line for each fault.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Variable + ": " + f.Message
	}
	return strings.Join(lines, "\n")
}

// Load reads a configuration out of an environment such as that of [os.Environ]. A variable that is empty counts as not
// set, and one that is unknown is ignored. It fails with an [*Error] that lists all faults.
func Load(environ []string) (Config, error) {
	l := loader{env: parseEnviron(environ), explicit: map[string]bool{}, faulty: map[string]bool{}}
	vars := variables()
	for _, v := range vars {
		l.load(v)
	}
	l.complete()
	l.check()
	if len(l.faults) > 0 {
		slices.SortStableFunc(l.faults, func(a, b Fault) int { return position(vars, a) - position(vars, b) })
		return Config{}, &Error{l.faults}
	}
	return l.config, nil
}

func position(vars []variable, f Fault) int {
	return slices.IndexFunc(vars, func(v variable) bool {
		return f.Variable == v.name || f.Variable == v.name+fileSuffix
	})
}

// parseEnviron takes the first of several entries with one name, as os.Getenv does.
func parseEnviron(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if _, ok := env[name]; !ok {
			env[name] = value
		}
	}
	return env
}

// loader is a configuration in the making.
type loader struct {
	env      map[string]string
	config   Config
	explicit map[string]bool // the variables that were set
	faulty   map[string]bool // those whose field means nothing
	faults   []Fault
}

func (l *loader) fault(variable, message string) {
	l.faults = append(l.faults, Fault{variable, message})
}

// load fills a variable's field.
func (l *loader) load(v variable) {
	name, text, err := l.text(v.name)
	if err != nil {
		l.faulty[v.name] = true
		l.fault(name, err.Error())
		return
	}
	if text == "" {
		text = v.def.of(l.config.Env)
	} else {
		l.explicit[v.name] = true
	}
	if text == "" {
		return
	}
	if err := v.value.set(&l.config, text); err != nil {
		l.faulty[v.name] = true
		l.fault(name, err.Error()+"; it takes "+v.value.takes)
	}
}

// text is what a variable was set to, and by which name.
func (l *loader) text(name string) (from, text string, err error) {
	value, path := l.env[name], l.env[name+fileSuffix]
	switch {
	case path == "":
		return name, value, nil
	case value != "":
		return name, "", errors.New("is set, and " + name + fileSuffix + " too: set one of them")
	}
	text, err = readFile(path)
	return name + fileSuffix, text, err
}

// readFile is a file's text without the line end that editors put there. Its errors do not name the path: somebody may
// have put the secret itself where the path belongs.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", unreadable(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", unreadable(err)
	}
	text := strings.TrimRight(string(b), "\r\n")
	switch {
	case len(b) > maxFile:
		return "", errors.New("names a file of more than 64 KiB")
	case text == "":
		return "", errors.New("names an empty file")
	case strings.ContainsRune(text, 0):
		return "", errors.New("names a file that is not text")
	}
	return text, nil
}

func unreadable(err error) error {
	cause := "it cannot be opened"
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		cause = pathError.Err.Error()
	}
	return errors.New("names a file that cannot be read: " + cause)
}
