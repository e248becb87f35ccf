package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A chart is some numbers of one unit beside each other.
type chart struct {
	title, unit string
	bars        []bar
}

// A bar is one number. The limit is drawn as a mark; 0 is none.
type bar struct {
	name         string
	value, limit float64
}

// chartOf is one number of each trial.
func chartOf(title, unit string, scale float64, trials []*trial, number func(report) float64) chart {
	c := chart{title: title, unit: unit}
	for _, t := range trials {
		c.bars = append(c.bars, bar{name: t.name, value: t.median(number) / scale})
	}
	return c
}

// writeCharts prints all of them as one table.
func writeCharts(w io.Writer, charts []chart) {
	if len(charts) == 0 {
		return
	}
	fmt.Fprintf(w, "\nall of the watcher's results\n")
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, c := range charts {
		for i, b := range c.bars {
			title := ""
			if i == 0 {
				title = c.title
			}
			limit := ""
			if b.limit > 0 {
				limit = "limit " + short(b.limit)
			}
			fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\n", title, b.name, short(b.value), c.unit, limit)
		}
	}
	t.Flush()
}

// short prints a number with three digits or so.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
