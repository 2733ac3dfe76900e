package main

import (
	"net/url"
	"os"
	"path/filepath"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine/server"
)

// collectFlags say which texts of requests are kept.
type collectFlags struct {
	Collect      string   `help:"Keep texts that a student is not sure of, masked, as rows of its next run: MODEL.jsonl in this folder. Off by default; answers say so." placeholder:"DIR"`
	CollectMask  []string `default:"url,email,iban,card,ip,phone" help:"With --collect: kinds of personal data that become their name, as data.mask of a recipe has them." placeholder:"KINDS"`
	CollectBytes int64    `default:"67108864" help:"With --collect: bytes of each file at most; what comes beyond is not kept." placeholder:"BYTES"`
	CollectKey   int64    `name:"collect-key-bytes" help:"With --collect: bytes of rows that one API key may have kept while the server runs; 0 = no bound." placeholder:"BYTES"`
}

// collector is the option that keeps texts in the folder; none without the flag.
func (c *serveCmd) collector() ([]server.Option, error) {
	if c.Collect == "" {
		return nil, nil
	}
	if c.CollectBytes < 1 || c.CollectKey < 0 {
		return nil, usagef("--collect-bytes is %d, want 1 or more; --collect-key-bytes is %d, want 0 or more", c.CollectBytes, c.CollectKey)
	}
	mask, err := data.Mask(c.CollectMask...)
	if err != nil {
		return nil, usagef("--collect-mask: %v", err)
	}
	if err := os.MkdirAll(c.Collect, 0o700); err != nil {
		return nil, asInput(err)
	}
	try, err := os.CreateTemp(c.Collect, ".try-*")
	if err != nil {
		return nil, inputf("--collect: %w", err)
	}
	try.Close()           //nolint:errcheck // it is empty
	os.Remove(try.Name()) //nolint:errcheck // as above
	keep := func(student string, rows []byte) error {
		to := data.Appender{Path: filepath.Join(c.Collect, url.PathEscape(student)+".jsonl"), Most: c.CollectBytes}
		return to.Append(rows)
	}
	return []server.Option{server.WithCollect(server.Collect{Keep: keep, Mask: mask, PerKey: c.CollectKey})}, nil
}
