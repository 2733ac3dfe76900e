package models

func init() { architectures["granitehybrid"] = granitehybrid }

// granitehybrid: Granite 4 (llama.cpp LLM_ARCH_GRANITE_HYBRID): granite or granitemoe with Mamba-2 in the layers that have
// no key heads.
func granitehybrid(r *reader, s *Spec) {
	r.stateSpace(s, Mamba2)
	granitemoe(r, s)
	r.feedForward(s)
}
