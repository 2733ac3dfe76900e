package distill

import "testing"

// Every template's recipe is valid as it stands.
func TestTemplates(t *testing.T) {
	for _, name := range Templates() {
		if _, err := ParseRecipe(name+"/freehold.yaml", templateRecipe(t, name)); err != nil {
			t.Error(err)
		}
	}
}

// What docs/recipes.md says that a student reaches, its recipe asks for.
func TestTemplateGates(t *testing.T) {
	for name, wanted := range map[string]map[string]string{
		"sentiment":      {"retention": ">= 0.97", "flops_ratio": ">= 5", "over_baseline": ">= 0.03"},
		"sentiment-1.5b": {"retention": ">= 0.97", "flops_ratio": ">= 5", "over_baseline": ">= 0.03"},
		"intents":        {"retention": ">= 0.97", "flops_ratio": ">= 5", "over_baseline": ">= 0"},
		"spam":           {"retention": ">= 0.97", "flops_ratio": ">= 5"}, // there a bag of words is as good
	} {
		r, err := ParseRecipe(name+"/freehold.yaml", templateRecipe(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for metric, want := range wanted {
			if got := r.Eval.Gates[metric]; got != want {
				t.Errorf("%s: the gate of %s is %q, want %q", name, metric, got, want)
			}
		}
	}
}

func templateRecipe(t *testing.T, name string) []byte {
	t.Helper()
	files, err := Template(name)
	if err != nil {
		t.Fatal(err)
	}
	return files["freehold.yaml"]
}
