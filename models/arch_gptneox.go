package models

func init() { architectures["gptneox"] = gptneox }

// gptneox: GPT-NeoX, Pythia (llama.cpp LLM_ARCH_GPTNEOX, with GELU in its tanh form as there).
func gptneox(r *reader, s *Spec) {
	s.Norm, s.Act = Layer, GELUOnly
	r.rope(s, true)
	r.biases(s)
	parallel, err := r.f.Bool(r.key("use_parallel_residual"))
	r.note(err)
	s.Parallel = parallel
}
