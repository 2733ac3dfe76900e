package distill

import (
	"testing"
	"fmt"
	"path/filepath"
)

func TestAugmentScratch(t *testing.T) {
	recipe := tinyJobOf(t, 40, 10)
	edit(t, recipe, "duplicates: keep", "duplicates: keep, augment: {paraphrases: 1, per_label: 20, examples: 2, max_tokens: 24, keep: all, prompt: \"{label}: {examples}\", paraphrase_prompt: \"{text}\"}")
	p := planOf(t, recipe)
	fmt.Println(p.Text())
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	fmt.Println(mustRead(t, filepath.Join(dir, "augment/rows.jsonl")))
	fmt.Println(mustRead(t, filepath.Join(dir, "data.json")))
	p = planOf(t, recipe)
	fmt.Println(p.Text())
}
