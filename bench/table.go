package main

import (
	"fmt"
	"io"
	"slices"
)

// row is one line of the table: a figure of ours over an anchor's, a round each.
type row struct {
	what   string
	ratios []float64
	goal   string
	ok     func(median float64) bool
	note   string // the absolute figures, for orientation
}

func atLeast(x float64) (string, func(float64) bool) {
	return fmt.Sprintf("at least %.2f", x), func(m float64) bool { return m >= x }
}

func atMost(x float64) (string, func(float64) bool) {
	return fmt.Sprintf("at most %.2f", x), func(m float64) bool { return m <= x }
}

func seen() (string, func(float64) bool) {
	return "for comparison", func(float64) bool { return true }
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func printTable(w io.Writer, rows []row) {
	fmt.Fprintln(w, "| what | median (min-max) | goal | reached | figures |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, r := range rows {
		m := median(r.ratios)
		reached := "yes"
		switch {
		case r.goal == "for comparison":
			reached = ""
		case !r.ok(m):
			reached = "**no**"
		}
		fmt.Fprintf(w, "| %s | %.3g (%.3g-%.3g) | %s | %s | %s |\n", r.what, m, slices.Min(r.ratios), slices.Max(r.ratios), r.goal, reached, r.note)
	}
}

// newRow makes a row; goal is one of atLeast, atMost and seen.
func newRow(what string, ratios []float64, note string, goal string, ok func(float64) bool) row {
	return row{what: what, ratios: ratios, goal: goal, ok: ok, note: note}
}
