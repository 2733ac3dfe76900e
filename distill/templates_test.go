package distill

import "testing"

// Every template's recipe is valid as it stands.
func TestTemplates(t *testing.T) {
	for _, name := range Templates() {
		files, err := Template(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRecipe(name+"/freehold.yaml", files["freehold.yaml"]); err != nil {
			t.Error(err)
		}
	}
}
