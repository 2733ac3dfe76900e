package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/freehold-slm/freehold/models"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell: bash, zsh or fish."`
}

// completing is the command that the shells' scripts call with the words of the line so far, the last of which is to be completed.
const completing = "__complete"

// The scripts ask the program itself, so they fit every version of it. Where it has nothing to offer, shells go on with files.
var completionScripts = map[string]string{
	"bash": `# source <(freehold completion bash)
_freehold() {
	mapfile -t COMPREPLY < <(freehold __complete "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
	# bash takes : and = for ends of words: what stands before them is there already.
	local word=${COMP_LINE:0:COMP_POINT}; word=${word##* }
	if [[ $word == *[:=]* ]]; then local before=${word%"${word##*[:=]}"}; COMPREPLY=("${COMPREPLY[@]#"$before"}"); fi
}
complete -o default -o bashdefault -F _freehold freehold
`,
	"zsh": `#compdef freehold
# source <(freehold completion zsh), after compinit
_freehold() {
	local -a found
	found=("${(@f)$(freehold __complete "${LBUFFER}" 2>/dev/null)}")
	if [[ -n $found ]]; then compadd -- $found; else _files; fi
}
compdef _freehold freehold
`,
	"fish": `# freehold completion fish | source
complete -c freehold -a '(freehold __complete (commandline -cp) 2>/dev/null)'
`,
}

func (c *completionCmd) Run(a *app) error {
	script := completionScripts[c.Shell]
	if a.json {
		return a.emit(map[string]string{"schema": "freehold/completion/1", "shell": c.Shell, "script": script})
	}
	_, err := a.out.WriteString(script)
	return err
}

// complete lists what the last word of a command line may become. Nothing = a file.
func complete(app *kong.Application, line string) []string {
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasSuffix(line, " ") {
		words = append(words, "")
	}
	words = words[1:] // the program
	if len(words) == 0 {
		return nil
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	at := app.Node
	flags := slices.Clone(at.Flags)
	var open *kong.Flag // a flag that waits for its value
	given := 0          // positional arguments before the last word
	for _, w := range before {
		switch {
		case open != nil:
			open = nil
		case strings.HasPrefix(w, "-"):
			open = takesNext(flags, w)
		case at == app.Node:
			i := slices.IndexFunc(at.Children, func(n *kong.Node) bool { return n.Name == w || slices.Contains(n.Aliases, w) })
			if i < 0 {
				return nil
			}
			at = at.Children[i]
			flags = append(flags, at.Flags...)
		default:
			given++
		}
	}
	name, value, joined := strings.Cut(last, "=")
	switch {
	case open != nil:
		return starting(valuesOf(open.Value), last, "")
	case joined && strings.HasPrefix(name, "--"):
		if i := slices.IndexFunc(flags, func(f *kong.Flag) bool { return "--"+f.Name == name }); i >= 0 {
			return starting(valuesOf(flags[i].Value), value, name+"=")
		}
		return nil
	case strings.HasPrefix(last, "-"):
		var names []string
		for _, f := range flags {
			if !f.Hidden {
				names = append(names, "--"+f.Name)
			}
		}
		return starting(names, last, "")
	case at == app.Node:
		var names []string
		for _, n := range at.Children {
			if !n.Hidden {
				names = append(names, n.Name)
			}
		}
		return starting(names, last, "")
	}
	if n := len(at.Positional); n > 0 {
		return starting(valuesOf(at.Positional[min(given, n-1)]), last, "")
	}
	return nil
}

// takesNext is the flag that word names, if its value is the next word.
func takesNext(flags []*kong.Flag, word string) *kong.Flag {
	if strings.Contains(word, "=") {
		return nil
	}
	for _, f := range flags {
		if (word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short)) && !f.IsBool() && !f.IsCounter() {
			return f
		}
	}
	return nil
}

// valuesOf lists what an argument or flag may be: the values of its enumeration, or the names that its kind of thing has on this machine.
func valuesOf(v *kong.Value) []string {
	if v.Enum != "" {
		return slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
	}
	var names []string
	switch v.Tag.Get("complete") {
	case "model":
		for _, e := range models.Catalog() {
			names = append(names, e.Name)
		}
		for _, s := range models.Stores() {
			names = append(names, s.Name)
		}
	case "catalogue":
		for _, it := range catalogue() {
			names = append(names, it.Name)
		}
	case "mix":
		names = strings.Fields(helpVars()["mixes"])
	case "level":
		names = strings.Fields(helpVars()["levels"])
	case "template":
		names = strings.Fields(helpVars()["templates"])
	}
	return names
}

// starting keeps the words that begin with prefix, each after what stands before it already.
func starting(words []string, prefix, before string) []string {
	var out []string
	for _, w := range words {
		if strings.HasPrefix(w, prefix) {
			out = append(out, before+w)
		}
	}
	return out
}

// answerShell prints what a shell's script asked for.
func answerShell(app *kong.Application, args []string) {
	if len(args) == 1 {
		for _, w := range complete(app, args[0]) {
			fmt.Println(w)
		}
	}
}
