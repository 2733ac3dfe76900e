package distill

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Recomputed values are those that were given up: every gradient of every architecture has the same bits, and nothing
// inside a layer but the last is kept.
func TestFixturesRecompute(t *testing.T) {
	for _, path := range modelFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			run := func(recompute bool) (*Graph, *Student, float64) {
				s := openStudent(t, path)
				g := NewGraph(s, best(t), 2, goParallel(2))
				if recompute {
					g.Recompute()
				}
				k := newTask(t, s, 13, 17, 3, 40)
				k.run(g, true)
				return g, s, k.run(g, true) // the second step uses the memory of the first
			}
			_, whole, want := run(false)
			g, again, loss := run(true)
			if loss != want {
				t.Errorf("loss %v, without recomputing %v", loss, want)
			}
			for i, p := range whole.Params {
				sameBits(t, fmt.Sprintf("gradient of %s", p.Name), again.Params[i].G, p.G)
			}
			dropped := 0
			for _, o := range g.ops {
				if g.val[o.Out] == nil {
					dropped++
				}
			}
			if layers := whole.Spec.Layers; layers > 1 && dropped < (layers-1)*5 {
				t.Errorf("%d values of %d layers were given up after the step, want 5 a layer at least", dropped, layers)
			}
		})
	}
}
