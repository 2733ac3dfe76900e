// Package sarif writes findings as SARIF 2.1.0, which code hosts and editors show beside the file they are about.
package sarif

import (
	"encoding/json"
	"net/url"
)

// Finding is one result.
type Finding struct {
	Rule  string // its id
	Level string // error, warning, note
	Text  string
	File  string // what it is about: a path, or a name
	Line  int    // 0 = the file as a whole
}

// Rule says what a rule is about.
type Rule struct{ ID, About string }

type (
	text struct {
		Text string `json:"text"`
	}
	rule struct {
		ID    string `json:"id"`
		Short text   `json:"shortDescription"`
	}
	driver struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Rules   []rule `json:"rules"`
	}
	tool struct {
		Driver driver `json:"driver"`
	}
	artifact struct {
		URI string `json:"uri"`
	}
	region struct {
		StartLine int `json:"startLine"`
	}
	physical struct {
		Artifact artifact `json:"artifactLocation"`
		Region   *region  `json:"region,omitempty"`
	}
	location struct {
		Physical physical `json:"physicalLocation"`
	}
	result struct {
		Rule      string     `json:"ruleId"`
		Level     string     `json:"level"`
		Message   text       `json:"message"`
		Locations []location `json:"locations"`
	}
	run struct {
		Tool    tool     `json:"tool"`
		Results []result `json:"results"`
	}
	document struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []run  `json:"runs"`
	}
)

// Document renders findings of this program's version. Each finding's rule is among the rules.
func Document(version string, rules []Rule, findings []Finding) ([]byte, error) {
	r := run{Tool: tool{driver{Name: "freehold", Version: version, Rules: []rule{}}}, Results: []result{}}
	for _, x := range rules {
		r.Tool.Driver.Rules = append(r.Tool.Driver.Rules, rule{x.ID, text{x.About}})
	}
	for _, f := range findings {
		p := physical{Artifact: artifact{(&url.URL{Path: f.File}).String()}}
		if f.Line > 0 {
			p.Region = &region{f.Line}
		}
		r.Results = append(r.Results, result{f.Rule, f.Level, text{f.Text}, []location{{p}}})
	}
	b, err := json.MarshalIndent(document{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []run{r}}, "", "  ")
	return append(b, '\n'), err
}
