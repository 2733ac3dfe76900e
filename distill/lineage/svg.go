package lineage

import (
	"fmt"
	"html"
	"strings"
)

// Sizes of the drawing, in pixels.
const (
	boxWidth  = 216
	columnGap = 64
	rowGap    = 14
	lineStep  = 14
	margin    = 16
)

// colours of a node's edge and fill, by kind; those of other kinds are plain.
var colours = map[string][2]string{
	"stage": {"#1f6feb", "#e8f0fe"}, "weights": {"#8250df", "#f5effd"}, "data": {"#1a7f37", "#eaf6ec"}, "rows": {"#1a7f37", "#eaf6ec"},
	"prompt": {"#9a6700", "#fdf5e3"}, "recipe": {"#9a6700", "#fdf5e3"},
}

// SVG draws the graph from left to right, a column a rank. It is one picture by itself: no scripts, nothing from elsewhere.
func (g *Graph) SVG() string {
	columns := 0
	for _, n := range g.Nodes {
		columns = max(columns, n.Rank+1)
	}
	type place struct{ x, y, h int }
	at := make([]place, len(g.Nodes))
	bottom := make([]int, columns)
	height := 0
	for i, n := range g.Nodes {
		y := bottom[n.Rank] + margin + 24
		if bottom[n.Rank] > 0 {
			y = bottom[n.Rank] + rowGap
		}
		h := 12 + lineStep*(1+len(n.Notes))
		at[i] = place{margin + n.Rank*(boxWidth+columnGap), y, h}
		bottom[n.Rank] = y + h
		height = max(height, y+h+margin)
	}
	width := 2*margin + max(1, columns)*(boxWidth+columnGap) - columnGap
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="11" role="img" aria-label="%s">`+"\n",
		width, height, width, height, html.EscapeString("lineage of "+g.Title))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#ffffff"/><text x="%d" y="%d" font-size="14" font-weight="600" fill="#1f2328">%s</text>`+"\n", margin, margin+8, html.EscapeString(g.Title))
	for _, e := range g.Edges {
		from, to := at[e.From], at[e.To]
		x1, y1, x2, y2 := from.x+boxWidth, from.y+from.h/2, to.x, to.y+to.h/2
		fmt.Fprintf(&b, `<path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="#8c959f"/>`+"\n", x1, y1, x1+columnGap/2, y1, x2-columnGap/2, y2, x2, y2)
	}
	for i, n := range g.Nodes {
		c, ok := colours[n.Kind]
		if !ok {
			c = [2]string{"#57606a", "#f6f8fa"}
		}
		p, round := at[i], 3
		if n.Kind == "stage" {
			round = 14
		}
		fmt.Fprintf(&b, `<g><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="%d" fill="%s" stroke="%s"/>`,
			html.EscapeString(strings.TrimSpace(n.Kind+" "+n.Name+" "+n.SHA256)), p.x, p.y, boxWidth, p.h, round, c[1], c[0])
		for k, text := range append([]string{n.Name}, n.Notes...) {
			style := ` fill="#57606a"`
			if k == 0 {
				style = ` fill="#1f2328" font-weight="600"`
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d"%s>%s</text>`, p.x+10, p.y+18+k*lineStep, style, html.EscapeString(cut(text, 36)))
		}
		b.WriteString("</g>\n")
	}
	return b.String() + "</svg>\n"
}
