package lineage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rows are the chain as a table for people: a block an entry, two cells a row.
func Rows(chain []Entry) (rows [][]string) {
	for _, e := range chain {
		rows = append(rows, []string{fmt.Sprintf("%d %s", e.Seq, e.Stage), "by " + e.By.text()})
		for _, w := range e.Workers {
			rows = append(rows, []string{"  with", fmt.Sprintf("%s: %s", w.text(), w.did())})
		}
		rows = append(rows, []string{"  held", e.By.Enforced.String()})
		for _, it := range e.In {
			rows = append(rows, []string{"  took", it.text()})
		}
		for _, k := range slices.Sorted(maps.Keys(e.Facts)) {
			rows = append(rows, []string{"  told", fmt.Sprintf("%s %q", k, cut(e.Facts[k], 90))})
		}
		for _, it := range e.Out {
			rows = append(rows, []string{"  made", it.text()})
		}
		rows = append(rows, []string{"  hash", e.Hash})
	}
	return rows
}

func (m *Maker) text() string {
	by := strings.TrimSpace(fmt.Sprintf("freehold %s %s", m.Version, short(m.Commit)))
	if m.Modified {
		by += " (modified)"
	}
	return fmt.Sprintf("%s, %s %s, CPU level %s, %d threads", by, m.Go, m.Platform, m.Level, m.Threads)
}

func (it *Item) text() string {
	parts := []string{it.Kind + " " + it.Name}
	for _, p := range []string{it.Role, count(it.Rows, "rows"), count(it.Files, "files"), strings.TrimSpace(it.Licence + " " + strings.ReplaceAll(it.Basis, "_", " ")), it.From} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(append(parts, hash(it.SHA256)...), ", ")
}

// Rows are the graph as a table: what the last node, the file, says of itself and of what it came from.
func (g *Graph) Rows() (rows [][]string) {
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		what := "from " + n.Kind
		if i == len(g.Nodes)-1 {
			what = "file"
		}
		rows = append(rows, []string{what, n.Name})
		for _, note := range n.Notes {
			rows = append(rows, []string{"", note})
		}
	}
	return rows
}

// hash is a sha256 as people are shown it; a remote model has none.
func hash(sum string) []string {
	if sum == "" {
		return nil
	}
	return []string{"sha256 " + short(sum)}
}

// did says what a worker made.
func (w *Worker) did() string {
	if len(w.Units) > 0 {
		return fmt.Sprintf("%d rounds of replicas", len(w.Units))
	}
	return fmt.Sprintf("%d shards", len(w.Shards))
}
