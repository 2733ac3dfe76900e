// Package papers renders what is known of a run as the papers that people ask for: tables of fields, each of which is verified, declared or
// unknown, with the unknown ones counted; a NOTICE; and a CycloneDX bill of materials. Nothing in them is a time, a host or a path.
package papers

import (
	"fmt"
	"strings"
)

// Status says on what a field rests.
type Status string

const (
	Verified Status = "verified" // this program measured or computed it, or holds its sum
	Declared Status = "declared" // the recipe's owner or a publisher says so
	Unknown  Status = "unknown"  // nobody said: to be filled in
)

// Field is one answer.
type Field struct {
	Name, Value string
	Status      Status
	Source      string // what the value rests on, or who has to fill it in
}

// Section is a heading with fields.
type Section struct {
	Title  string
	Fields []Field
}

// Paper is one document.
type Paper struct {
	File     string // in the run folder
	Title    string
	About    string
	Sections []Section
}

// Add appends a field to the last section. A field without a value is unknown.
func (p *Paper) Add(name, value string, status Status, source string) {
	if value == "" {
		value, status = "to be filled in", Unknown
	}
	s := &p.Sections[len(p.Sections)-1]
	s.Fields = append(s.Fields, Field{name, value, status, source})
}

// Section begins a section.
func (p *Paper) Section(title string) { p.Sections = append(p.Sections, Section{Title: title}) }

// Count counts fields of a status.
func (p *Paper) Count(s Status) (n int) {
	for _, sec := range p.Sections {
		for _, f := range sec.Fields {
			if f.Status == s {
				n++
			}
		}
	}
	return n
}

// Markdown renders the paper.
func (p *Paper) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\nFields: %d verified, %d declared, %d unknown.\n", p.Title, p.About, p.Count(Verified), p.Count(Declared), p.Count(Unknown))
	for _, s := range p.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n| field | value | status | rests on |\n| --- | --- | --- | --- |\n", s.Title)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(f.Name), cell(f.Value), f.Status, cell(f.Source))
		}
	}
	return b.String()
}

// cell keeps a text on one line of a table.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\r", " ", "\n", "<br>", "<", "&lt;", "`", "'").Replace(s)
}
