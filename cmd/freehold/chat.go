package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/chat"
)

// chat talks on a terminal until Ctrl-D. Ctrl-C stops an answer, and ends the chat while it waits for input.
func (c *runCmd) chat(a *app, m *opened, gen engine.Gen) error {
	a.say("chat with %s: Ctrl-D or /bye ends, /clear forgets, Ctrl-C stops an answer", c.Model)
	s := m.NewSession()
	defer s.Close()
	var stop atomic.Pointer[context.CancelFunc]
	defer a.handleInterrupts(func() bool {
		cancel := stop.Load()
		if cancel != nil {
			(*cancel)()
		}
		return cancel != nil
	})()
	lines := readLines(os.Stdin)
	whole := a.ctx
	defer func() { a.ctx = whole }()
	var history []chat.Message
	for {
		a.say("") // a line of its own for the prompt
		os.Stderr.WriteString("> ")
		var line inputLine
		select {
		case line = <-lines:
		case <-whole.Done():
			return context.Cause(whole)
		}
		switch text := strings.TrimSpace(line.text); {
		case line.err == io.EOF || text == "/bye":
			return nil
		case line.err != nil:
			return inputf("standard input: %w", line.err)
		case text == "":
			continue
		case text == "/clear":
			history = nil
			continue
		case strings.HasPrefix(text, "/"):
			a.say("unknown chat command %q; known: /bye, /clear", text)
			continue
		}
		turns := c.turns(history, line.text)
		tokens, err := m.ChatTokens(turns, true)
		if err != nil {
			return inputf("chat template of %s: %w", c.Model, err)
		}
		ctx, cancel := context.WithCancel(whole)
		stop.Store(&cancel)
		a.ctx = ctx
		ans, err := a.generate(m, s, tokens, gen, true)
		stop.Store(nil)
		cancel()
		switch {
		case err == nil:
			a.write("\n")
			history = append(turns, chat.Message{Role: "assistant", Content: ans.Text})
		case whole.Err() != nil:
			return context.Cause(whole)
		case errors.Is(err, context.Canceled):
			a.note("stopped; this turn is forgotten")
		case is[*usageError](err):
			a.say("%v, or forget the conversation with /clear", err)
		default:
			return err
		}
		if err := a.out.Flush(); err != nil {
			return err
		}
		if ans != nil {
			c.remark(a, m, ans)
		}
	}
}

type inputLine struct {
	text string
	err  error
}

// readLines reads lines on a goroutine of its own, so that waiting for one can be given up.
func readLines(r io.Reader) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		b := bufio.NewReader(r)
		for {
			text, err := b.ReadString('\n')
			if text != "" && err == io.EOF {
				err = nil
			}
			lines <- inputLine{strings.TrimRight(text, "\r\n"), err}
			if err != nil {
				return
			}
		}
	}()
	return lines
}
