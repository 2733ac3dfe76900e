package main

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// textFlags are the texts of a command that answers each of them.
type textFlags struct {
	Text  []string `arg:"" optional:"" help:"Texts; without any, each line of standard input is one."`
	JSONL bool     `name:"jsonl" help:"Print one JSON object a text, as they come."`
}

// check refuses what cannot be done before a model is opened for it.
func (f *textFlags) check(a *app) error {
	if a.json && f.JSONL {
		return usagef("--json and --jsonl are both given; keep one")
	}
	if len(f.Text) == 0 && isTerminal(os.Stdin) {
		return usagef("no text: give texts as arguments, or one a line on standard input")
	}
	return nil
}

// each gives the texts to do: those of the command line all at once, lines of standard input in groups of up to n.
func (f *textFlags) each(n int, do func(texts []string, first int) error) error {
	if len(f.Text) == 0 {
		return eachLine(os.Stdin, "standard input", n, do)
	}
	for i, t := range f.Text {
		if strings.TrimSpace(t) == "" {
			return usagef("text %d is empty", i+1)
		}
	}
	return do(f.Text, 1)
}

// eachLine gives the lines of r in groups of up to n to do, with the number of the first. Empty lines are an error:
// leaving them out would shift the results against the input.
func eachLine(r io.Reader, name string, n int, do func(lines []string, first int) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	var group []string
	number := 0
	for s.Scan() {
		number++
		line := strings.TrimSuffix(s.Text(), "\r")
		if strings.TrimSpace(line) == "" {
			return inputf("%s:%d: the line is empty, want a text; take empty lines out", name, number)
		}
		if group = append(group, line); len(group) == n {
			if err := do(group, number-n+1); err != nil {
				return err
			}
			group = nil
		}
	}
	if err := s.Err(); err != nil {
		return inputf("%s:%d: %w", name, number+1, err)
	}
	if number == 0 {
		return inputf("%s: no text, want one a line", name)
	}
	if len(group) == 0 {
		return nil
	}
	return do(group, number-len(group)+1)
}
