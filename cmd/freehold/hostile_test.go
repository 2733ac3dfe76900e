package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf/hostile"
)

// TestFixturesHostile gives the whole corpus to the commands that open a stranger's file, as processes of their own:
// the manifest's answers by exit code, no crash, no hang, little memory.
func TestFixturesHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts hundreds of processes")
	}
	for _, base := range hostile.Bases {
		cases := hostile.Make(t, base)
		var normal result
		for _, c := range cases {
			if c.Name == "ok-base" {
				normal = freehold(t, "inspect", "--full", c.Path()).must(t)
			}
		}
		for _, args := range [][]string{{"inspect", "--full"}, {"run", "--raw", "-n", "2", "--context", "64"}} {
			t.Run(base+"/"+args[0], func(t *testing.T) {
				for _, c := range cases {
					t.Run(c.Name, func(t *testing.T) {
						t.Parallel()
						all := append(append([]string{}, args...), c.Path())
						if args[0] == "run" {
							all = append(all, "hello")
						}
						r := freehold(t, all...)
						var err error
						switch r.code {
						case exitOK:
						case exitInput, exitUsage:
							err = errors.New(strings.TrimSpace(r.err))
						default:
							t.Errorf("exit code %d\n%s", r.code, r.err)
						}
						if r.code == exitUsage && args[0] == "inspect" {
							t.Errorf("a bad file is no mistake in the command line: %s", r.err)
						}
						told := r.err
						if args[0] == "inspect" { // an answer may be any text, off a terminal
							told += r.out
						}
						if strings.Contains(r.err, "goroutine ") || strings.ContainsAny(told, "\x1b\x00") {
							t.Errorf("a crash or control characters: %q", r.err)
						}
						if r.took > 10*hostile.WallLimit { // many processes share this machine
							t.Errorf("took %v", r.took)
						}
						if grown := r.rss - normal.rss; normal.rss > 0 && grown > hostile.MemoryLimit {
							t.Errorf("%d MiB more than for the valid file", grown>>20)
						}
						hostile.Judge(t, c, err, true)
						if t.Failed() {
							t.Log(fmt.Sprintf("%s: %s", c.Field, c.Mutation), r.err)
						}
					})
				}
			})
		}
	}
}
