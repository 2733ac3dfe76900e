package models

func init() { architectures["starcoder"] = starcoder }

// starcoder: StarCoder 1 and SantaCoder (llama.cpp LLM_ARCH_STARCODER): gpt2's program, with one key head for all queries.
func starcoder(r *reader, s *Spec) { gpt2(r, s) }
