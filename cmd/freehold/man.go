package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct {
	Markdown bool `help:"As Markdown, the page docs/commands.md, instead of a manual page."`
}

func (c *manCmd) Run(a *app) error {
	k, err := newParser(&table{})
	if err != nil {
		return err
	}
	var text strings.Builder
	if c.Markdown {
		markdown(&text, k.Model)
	} else {
		manual(&text, k.Model)
	}
	if a.json {
		return a.emit(map[string]string{"schema": "freehold/man/1", "text": text.String()})
	}
	_, err = a.out.WriteString(text.String())
	return err
}

// exitCodes say what the program's exit codes mean.
var exitCodes = []struct {
	code int
	what string
}{
	{exitOK, "done"}, {exitInternal, "a fault of the program"}, {exitUsage, "command line or recipe wrong"}, {exitInput, "a file is missing, not pulled or corrupt"},
	{exitGate, "the student did not pass its gate"}, {exitPolicy, "licence or use of the network refused"}, {exitVerify, "a checksum differs"},
	{exitResources, "disk full, a run's folder that went away, or too little memory"}, {exitInconclusive, "a measurement is too noisy to judge"},
	{exitToDo, "plan --exit-code: there is something to do"},
	{exitInterrupted, "stopped by a signal or a spent budget; the same command goes on"}, {exitKilled, "stopped by a signal"},
}

// flagName is a flag as it is typed: -t, --threads=N.
func flagName(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() && !f.IsCounter() {
		name += "=" + f.FormatPlaceHolder()
	}
	return name
}

// flagHelp is what a flag does, with the environment variable that sets it.
func flagHelp(f *kong.Flag) string {
	help := strings.TrimSuffix(f.Help, ".") + "."
	if len(f.Envs) > 0 {
		help += " ($" + strings.Join(f.Envs, ", $") + ")"
	}
	return help
}

// machineIndependent leaves the levels of this machine out of a text that is the same for all.
func machineIndependent(text string) string {
	return strings.ReplaceAll(text, " (this machine has: "+helpVars()["levels"]+")", " (see freehold doctor)")
}

// markdown writes docs/commands.md.
func markdown(w io.Writer, app *kong.Application) {
	cell := func(s string) string { return strings.ReplaceAll(machineIndependent(s), "|", `\|`) }
	flags := func(of []*kong.Flag) {
		shown := 0
		for _, f := range of {
			if f.Hidden || f.Name == "help" {
				continue
			}
			if shown++; shown == 1 {
				fmt.Fprint(w, "\n| flag | |\n| --- | --- |\n")
			}
			fmt.Fprintf(w, "| `%s` | %s |\n", cell(flagName(f)), cell(flagHelp(f)))
		}
	}
	fmt.Fprint(w, "# Commands\n\nMade from the program's own table by `freehold man --markdown`; a test holds them together.\n\nFlags of every command:\n")
	flags(app.Flags)
	for _, g := range groups {
		first := true
		for _, n := range app.Leaves(true) {
			if n.Group == nil || n.Group.Key != g.Key {
				continue
			}
			if first {
				fmt.Fprintf(w, "\n## %s\n", strings.TrimSuffix(g.Title, ":"))
				first = false
			}
			fmt.Fprintf(w, "\n### %s\n\n    freehold %s\n\n%s\n", n.Name, n.Summary(), n.Help)
			if n.Detail != "" {
				fmt.Fprintf(w, "\n%s\n", cell(n.Detail))
			}
			if len(n.Aliases) > 0 {
				fmt.Fprintf(w, "\nAlso: %s.\n", strings.Join(n.Aliases, ", "))
			}
			for i, p := range n.Positional {
				if i == 0 {
					fmt.Fprint(w, "\n| argument | |\n| --- | --- |\n")
				}
				fmt.Fprintf(w, "| `%s` | %s |\n", p.Summary(), cell(p.Help))
			}
			flags(n.Flags)
		}
	}
	fmt.Fprint(w, "\n## Exit codes\n\n| code | |\n| ---: | --- |\n")
	for _, e := range exitCodes {
		fmt.Fprintf(w, "| %d | %s |\n", e.code, e.what)
	}
}

// manual writes a manual page for man(1).
func manual(w io.Writer, app *kong.Application) {
	text := func(s string) string {
		s = strings.ReplaceAll(strings.ReplaceAll(machineIndependent(s), `\`, `\e`), "-", `\-`)
		if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
			s = `\&` + s
		}
		return s
	}
	entry := func(name, help string) { fmt.Fprintf(w, ".TP\n.B %s\n%s\n", text(name), text(help)) }
	flags := func(of []*kong.Flag) {
		for _, f := range of {
			if !f.Hidden && f.Name != "help" {
				entry(flagName(f), flagHelp(f))
			}
		}
	}
	fmt.Fprintf(w, ".TH FREEHOLD 1\n.SH NAME\nfreehold \\- distil small language models and run them\n.SH SYNOPSIS\n.B freehold\n.I command\n[flags]\n.SH DESCRIPTION\n%s\n.SH FLAGS OF EVERY COMMAND\n", text(description))
	flags(app.Flags)
	fmt.Fprint(w, ".SH COMMANDS\n")
	for _, n := range app.Leaves(true) {
		fmt.Fprintf(w, ".SS %s\n.B freehold %s\n.PP\n%s\n", text(n.Name), text(n.Summary()), text(n.Help))
		if n.Detail != "" {
			fmt.Fprintf(w, ".PP\n%s\n", text(n.Detail))
		}
		for _, p := range n.Positional {
			entry(p.Summary(), p.Help)
		}
		flags(n.Flags)
	}
	fmt.Fprint(w, ".SH EXIT STATUS\n")
	for _, e := range exitCodes {
		entry(fmt.Sprint(e.code), e.what)
	}
}
