package sarif

import (
	"encoding/json"
	"testing"
)

// A document names its version and rules, and gives every finding its rule, level, text and place; a file's name is an address.
func TestDocument(t *testing.T) {
	b, err := Document("1.2", []Rule{{"r/one", "about one"}}, []Finding{{"r/one", "error", "bad", "a folder/recipe.yaml", 7}, {"r/one", "note", "fine", "model", 0}})
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name, Version string
					Rules         []struct{ ID string }
				}
			}
			Results []struct {
				RuleID, Level string
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.Version != "2.1.0" || len(d.Runs) != 1 || len(d.Runs[0].Results) != 2 || len(d.Runs[0].Tool.Driver.Rules) != 1 || d.Runs[0].Tool.Driver.Version != "1.2" {
		t.Fatalf("%s", b)
	}
	first, second := d.Runs[0].Results[0], d.Runs[0].Results[1]
	at := first.Locations[0].PhysicalLocation
	if first.RuleID != d.Runs[0].Tool.Driver.Rules[0].ID || first.Level != "error" || first.Message.Text != "bad" || at.ArtifactLocation.URI != "a%20folder/recipe.yaml" || at.Region == nil || at.Region.StartLine != 7 {
		t.Errorf("first finding: %s", b)
	}
	if second.Locations[0].PhysicalLocation.Region != nil {
		t.Errorf("a finding about a whole file has a line: %s", b)
	}
	if b, err = Document("1.2", nil, nil); err != nil || json.Unmarshal(b, &d) != nil || d.Runs[0].Results == nil || d.Runs[0].Tool.Driver.Rules == nil {
		t.Errorf("nothing found: %v, %s", err, b)
	}
}
