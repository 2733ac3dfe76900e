package models

func init() { architectures["seed_oss"] = seedOSS }

// seedOSS: Seed-OSS (llama.cpp LLM_ARCH_SEED_OSS): qwen2's program. Its post_attention_norm stands before the feed-forward
// block.
func seedOSS(r *reader, s *Spec) {
	r.rope(s, true)
	r.biases(s)
	s.FFNNorm = "post_attention_norm"
}
