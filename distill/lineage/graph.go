package lineage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/gguf"
)

// Graph is an origin as things and stages, and which came from which.
type Graph struct {
	Title string `json:"title"`
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Node is a thing or a stage.
type Node struct {
	Kind   string   `json:"kind"` // stage, or the kind of an Item
	Name   string   `json:"name"`
	Notes  []string `json:"notes"` // short lines: role, licence, the beginning of its hash
	SHA256 string   `json:"sha256,omitempty"`
	Rank   int      `json:"rank"` // column of a drawing: larger than that of all it came from
}

// Edge leads from what was taken to what took it, by place in Nodes.
type Edge struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// OfChain is the graph of a run: of each stage the newest entry.
func OfChain(title string, chain []Entry) *Graph {
	g := &Graph{Title: title}
	var stages []string
	for _, e := range chain {
		if !slices.Contains(stages, e.Stage) {
			stages = append(stages, e.Stage)
		}
	}
	for _, name := range stages {
		e := Last(chain, name)
		var took []int
		for _, it := range e.In {
			took = append(took, g.item(it, 0))
		}
		for _, k := range slices.Sorted(maps.Keys(e.Facts)) { // what was said to a model is a thing of its own
			if k == "prompt" || k == "system" || k == "student_prompt" || k == "paraphrase_prompt" {
				took = append(took, g.add(Node{Kind: "prompt", Name: k, Notes: []string{cut(e.Facts[k], 28)}}))
			}
		}
		rank := 0
		for _, i := range took {
			rank = max(rank, g.Nodes[i].Rank)
		}
		by := []string{strings.TrimSpace(e.By.Version + " " + short(e.By.Commit)), e.By.Platform + " " + e.By.Level}
		stage := g.add(Node{Kind: "stage", Name: e.Stage, Notes: by, Rank: rank + 1})
		for _, i := range took {
			g.Edges = append(g.Edges, Edge{i, stage})
		}
		for _, it := range e.Out {
			g.Edges = append(g.Edges, Edge{stage, g.item(it, rank+2)})
		}
	}
	return g
}

func (g *Graph) add(n Node) int {
	g.Nodes = append(g.Nodes, n)
	return len(g.Nodes) - 1
}

// item finds the node of an item, by its name and hash, or adds one.
func (g *Graph) item(it Item, rank int) int {
	for i, n := range g.Nodes {
		if n.Kind == it.Kind && n.Name == it.Name && n.SHA256 == it.SHA256 {
			return i
		}
	}
	n := Node{Kind: it.Kind, Name: it.Name, SHA256: it.SHA256, Rank: rank}
	for _, note := range append([]string{it.Role, count(it.Rows, "rows"), count(it.Files, "files"), it.Licence}, hash(it.SHA256)...) {
		if note != "" {
			n.Notes = append(n.Notes, note)
		}
	}
	return g.add(n)
}

func count(n int, of string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, of)
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// cut shortens a text to n runes, on one line.
func cut(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

// OfFile is the graph of a GGUF file, by what its general.* keys say: nothing of it is checked, and no key is no node.
func OfFile(f *gguf.File) (*Graph, error) {
	var bad error
	text := func(key string) string {
		v, err := f.StringOr(key, "")
		if err != nil && bad == nil {
			bad = err
		}
		return v
	}
	g := &Graph{Title: f.Name}
	name := text("general.name")
	if name == "" {
		name = "this file"
	}
	file := Node{Kind: "weights", Name: name, Rank: 1}
	for _, key := range []string{"general.license", "general.author", "general.organization", "general.source.url", "freehold.run"} {
		if v := text(key); v != "" {
			file.Notes = append(file.Notes, strings.TrimPrefix(strings.TrimPrefix(key, "general."), "freehold.")+" "+v)
		}
	}
	for _, of := range []struct{ key, kind string }{{"base_model", "weights"}, {"dataset", "data"}} {
		n := uint64(0)
		if key := "general." + of.key + ".count"; f.Has(key) {
			v, err := f.Uint(key)
			if err != nil {
				return nil, err
			}
			n = v
		}
		for i := range min(n, 64) {
			at := fmt.Sprintf("general.%s.%d.", of.key, i)
			node := Node{Kind: of.kind, Name: text(at + "name")}
			for _, key := range []string{"author", "organization", "description", "version", "url", "repo_url", "doi", "uuid"} {
				if v := text(at + key); v != "" {
					if sum, ok := strings.CutPrefix(v, "sha256:"); ok && key == "version" {
						node.SHA256, v = sum, "sha256 "+short(sum)
					}
					node.Notes = append(node.Notes, v)
				}
			}
			g.Nodes = append(g.Nodes, node)
		}
	}
	g.Nodes = append(g.Nodes, file)
	for i := range len(g.Nodes) - 1 {
		g.Edges = append(g.Edges, Edge{i, len(g.Nodes) - 1})
	}
	return g, bad
}

// DOT is the graph in Graphviz's language.
func (g *Graph) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph lineage {\n  rankdir=LR;\n  label=%s;\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n", quote(g.Title))
	for i, n := range g.Nodes {
		shape := ""
		if n.Kind == "stage" {
			shape = ", shape=ellipse"
		}
		label := strings.Join(append([]string{n.Name}, n.Notes...), "\n")
		fmt.Fprintf(&b, "  n%d [label=%s, tooltip=%s%s];\n", i, quote(label), quote(n.Kind+" "+n.SHA256), shape)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  n%d -> n%d;\n", e.From, e.To)
	}
	return b.String() + "}\n"
}

// quote is a string of DOT, in which a backslash stands for itself only where it is doubled.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "").Replace(s) + `"`
}
