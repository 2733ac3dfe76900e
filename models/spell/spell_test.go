package spell

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"abc", "abc", 0}, {"ab", "ba", 2}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q is %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	known := []string{"temperature", "steps", "up"}
	for word, want := range map[string]string{
		"temprature": `unknown key "temprature" in train; did you mean "temperature"?`,
		"Up":         `unknown key "Up" in train; did you mean "up"?`,
		"sideways":   `unknown key "sideways" in train; known: temperature, steps, up`,
		"xy":         `unknown key "xy" in train; known: temperature, steps, up`,
	} {
		if got := Unknown("key", word, "train", known); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
