package distill

import (
	"math"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// randomSpread is the standard deviation of random matrices, as in GPT-2 and most models since.
const randomSpread = 0.02

// Randomize forgets the weights: matrices become uniform with standard deviation 0.02, norms 1, biases, sinks and a
// classification head 0.
func (s *Student) Randomize(seed uint64) {
	norm := map[string]bool{}
	for _, o := range s.Program.Ops {
		norm[o.W] = norm[o.W] || o.Kind == models.RMSNorm || o.Kind == models.LayerNorm
	}
	bound := randomSpread * math.Sqrt(3)
	for n, p := range s.Params {
		clear(p.W)
		switch {
		case norm[p.Name]:
			for i := range p.W {
				p.W[i] = 1
			}
		case len(p.Shape) > 1 && strings.HasSuffix(p.Name, ".weight") && !strings.HasPrefix(p.Name, "cls."):
			for i := 0; i < len(p.W); i += 4 {
				r := kernels.Philox(seed, [4]uint32{kernels.PurposeInit, uint32(n), uint32(i / 4), 1})
				for j := range p.W[i:min(len(p.W), i+4)] {
					p.W[i+j] = float32(float64(bound * (float64(r[j])/(1<<31) - 1)))
				}
			}
		}
	}
}
