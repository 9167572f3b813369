package config

import (
	"fmt"
	"io"
	"strings"
)

// Variable describes an environment variable.
type Variable struct {
	Name    string
	Section string
	Default string // in words; values are in back quotes
	Takes   string // the syntax, in words
	Meaning string
	Secret  bool
}

// Variables describes every variable, in the order of the reference.
func Variables() []Variable {
	var list []Variable
	for _, s := range sections() {
		for _, v := range s.vars {
			list = append(list, Variable{
				Name: v.name, Section: s.title, Default: v.def.words(), Takes: v.value.takes, Meaning: v.doc,
				Secret: v.secret,
			})
		}
	}
	return list
}

func (p preset) words() string {
	switch {
	case p.shown != "":
		return p.shown
	case p.dev == p.prod:
		return "`" + p.dev + "`"
	default:
		return "`dev`: `" + p.dev + "`; `prod`: `" + p.prod + "`"
	}
}

// WriteUsage writes the variables as plain text, for --help.
func WriteUsage(w io.Writer) error {
	var b strings.Builder
	section := ""
	for _, v := range Variables() {
		if v.Section != section {
			section = v.Section
			fmt.Fprintf(&b, "\n%s\n", section)
		}
		plain := strings.NewReplacer("`", "")
		fmt.Fprintf(&b, "  %s\n      %s\n      takes %s; default: %s\n", v.Name, plain.Replace(v.Meaning), v.Takes, plain.Replace(v.Default))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
