// Command api compares what the engine offers to programs that embed it with what stands in docs/api, by golang.org/x/exp/apidiff, and writes docs/api anew where nothing
// breaks, or where docs/api/breaks.txt says why it may.
package main

import (
	"fmt"
	"os"
)

func main() {
	report, err := compare("../..")
	if err == nil && len(report.breaks) == 0 {
		err = write("../..")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
	for _, line := range report.added {
		fmt.Println("new:", line)
	}
	for _, line := range report.breaks {
		fmt.Println(explain(line))
	}
	if len(report.breaks) > 0 {
		os.Exit(1)
	}
}

// explain says what to do about a change that breaks programs.
func explain(change string) string {
	return fmt.Sprintf("%s\n\tThis breaks programs that embed the engine. Keep what was there (a new name beside it, a new field), or, if it is meant, say why in a line of docs/api/breaks.txt, then: make api\n\t%s%sREASON",
		change, change, because)
}
