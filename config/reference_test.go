package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	referenceFile = "../docs/configuration.md"
	referenceFrom = "<!-- From here on made by go generate ./config -->\n"
)

var update = flag.Bool("update", false, "write "+referenceFile)

// TestReference compares docs/configuration.md with the declaration of the variables.
func TestReference(t *testing.T) {
	page, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	prose, table, found := strings.Cut(string(page), referenceFrom)
	if !found {
		t.Fatalf("%s has no line %q", referenceFile, referenceFrom)
	}
	want := reference()
	if *update {
		if err := os.WriteFile(referenceFile, []byte(prose+referenceFrom+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Errorf("%s does not say what the program does: run go generate ./config", referenceFile)
	}
}

// reference is the declaration as Markdown.
func reference() string {
	var b strings.Builder
	section := ""
	for _, v := range Variables() {
		if v.Section != section {
			section = v.Section
			fmt.Fprintf(&b, "\n## %s\n\n| variable | default | takes | |\n|---|---|---|---|\n", section)
		}
		meaning := v.Meaning
		if v.Secret {
			meaning += " *Secret.*"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, cell(v.Default), cell(v.Takes), cell(meaning))
	}
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func TestUsage(t *testing.T) {
	var b strings.Builder
	if err := WriteUsage(&b); err != nil {
		t.Fatal(err)
	}
	for _, v := range Variables() {
		if !strings.Contains(b.String(), "  "+v.Name+"\n") {
			t.Errorf("the usage lacks %s", v.Name)
		}
		if v.Meaning == "" || v.Takes == "" || v.Default == "" {
			t.Errorf("%s is not described", v.Name)
		}
	}
	if strings.Contains(b.String(), "`") {
		t.Error("the usage has Markdown in it")
	}
}
