package main

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"strings"
)

// Sizes of the drawing, in pixels.
const (
	svgWidth  = 760
	svgName   = 290 // for the names of bars
	svgValue  = 150 // for their values
	svgBar    = 16
	svgLine   = 24
	svgTitle  = 40
	svgMargin = 16
)

// The style serves light and dark pages. Fastpath's bars have a colour, those of others are grey.
const svgStyle = `<style>
text { font: 13px sans-serif; fill: #24292f } .title { font-weight: bold } .note { fill: #57606a }
.ours { fill: #1a7f6b } .other { fill: #aab2bb } .limit { stroke: #cf222e; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note { fill: #8d96a0 } .ours { fill: #3fb99f } .other { fill: #5c6670 } .limit { stroke: #ff7b72 } }
</style>
`

// writeSVG draws the charts one below the other; an empty path draws nothing.
func writeSVG(path string, charts []chart) error {
	if path == "" || len(charts) == 0 {
		return nil
	}
	var body bytes.Buffer
	y := svgMargin
	for _, c := range charts {
		y = c.draw(&body, y)
	}
	head := fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\">\n",
		svgWidth, y+svgMargin)
	return os.WriteFile(path, []byte(head+svgStyle+body.String()+"</svg>\n"), 0o644)
}

// draw draws one chart at y and returns where the next begins.
func (c *chart) draw(b *bytes.Buffer, y int) int {
	most, limited := 0.0, false
	for _, bar := range c.bars {
		most = max(most, bar.value, bar.limit)
		limited = limited || bar.limit > 0
	}
	note := c.unit
	if limited {
		note += "; the line is the limit"
	}
	fmt.Fprintf(b, "<text class=\"title\" x=\"%d\" y=\"%d\">%s <tspan class=\"note\" font-weight=\"normal\">(%s)</tspan></text>\n",
		svgMargin, y+svgBar, html.EscapeString(c.title), html.EscapeString(note))
	y += svgLine + 4
	for _, bar := range c.bars {
		bar.draw(b, y, (svgWidth-svgName-svgValue-svgMargin)/most)
		y += svgLine
	}
	return y + svgTitle - svgLine
}

// draw draws one bar, and its value behind it.
func (bar *bar) draw(b *bytes.Buffer, y int, scale float64) {
	class := "other"
	if bar.ours() {
		class = "ours"
	}
	length := max(1, bar.value*scale)
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", svgName-8, y+13, html.EscapeString(bar.name))
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>", class, svgName, y, length, svgBar)
	end := length
	if bar.limit > 0 {
		at := svgName + bar.limit*scale
		fmt.Fprintf(b, "<line class=\"limit\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", at, at, y-2, y+svgBar+2)
		end = max(end, bar.limit*scale)
	}
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", svgName+end+6, y+13, short(bar.value))
}

// ours tells whether the bar is fastpath's; one that compares nobody is.
func (bar *bar) ours() bool { return bar.limit > 0 || strings.HasPrefix(bar.name, "fastpath") }
