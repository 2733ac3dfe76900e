package papers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/licence"
)

// Notice is the NOTICE file of a model: what it is made from, the lines that licences want there, the duties of who passes it on, and the
// licences' texts where this program holds them. missing names licences whose text has to be put beside it by hand.
func Notice(name string, v *licence.Verdict, inputs []licence.Input) (text string, missing []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nMade with freehold from:\n", v.Name(name))
	var ids []string
	for _, in := range inputs {
		one := licence.Judge(v.Use, []licence.Input{in})
		fmt.Fprintf(&b, "  %-8s %s, licence %s\n", in.Role, in.Name, one.Licence)
		for _, id := range strings.Split(one.Licence, " AND ") {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	fmt.Fprintf(&b, "\nThis model is passed on under: %s\nIts files were made by training and differ from those that it was made from.\n", v.Licence)
	list := func(head string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n", head)
		}
		for _, l := range lines {
			fmt.Fprintf(&b, "  %s\n", l)
		}
	}
	list("Notices:", v.Notices())
	list("To be shown where the model is offered:", v.Displays())
	list("Uses are limited, for every recipient too, by:", v.Limits())
	var duties []string
	for _, f := range v.Findings {
		if line := fmt.Sprintf("- %s, section %s: %s", f.Licence, f.Section, f.Text); f.Section != "" && !slices.Contains(duties, line) {
			duties = append(duties, line)
		}
	}
	list("Who passes the model on:", duties)
	for _, id := range ids {
		f, ok := licence.Named(id)
		if ok && f.Text() != "" {
			fmt.Fprintf(&b, "\n%s\n%s (%s)\n%[1]s\n\n%[4]s", strings.Repeat("-", 79), f.Name, f.ID, f.Text())
			continue
		}
		missing = append(missing, id)
		where := "nobody here knows it"
		if ok {
			where = "get it from " + f.Source.URL
		}
		fmt.Fprintf(&b, "\nThe text of %s is not held by freehold: %s, and put it beside this file.\n", id, where)
	}
	return b.String(), missing
}
