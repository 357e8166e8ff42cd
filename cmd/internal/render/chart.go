package render

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/belaybot/belay/pim/posture"
)

// The chart's place on the page, in its own units.
const (
	chartWidth, chartHeight      = 720.0, 240.0
	left, right, above, beneath  = 44.0, 116.0, 14.0, 28.0
	plotWidth, plotHeight        = chartWidth - left - right, chartHeight - above - beneath
	dot, gridLines, labelSpacing = 2.5, 4, 14.0
)

// line is one number over the days; a day on which it was not seen breaks it.
type line struct {
	name, class string
	of          func(posture.Day) *int
}

func lines() []line {
	return []line{
		{"eligible", "eligible", func(d posture.Day) *int { return d.Eligible }},
		{"standing", "standing", func(d posture.Day) *int { return d.Standing }},
		{"findings", "findings", func(d posture.Day) *int { n := d.Findings(); return &n }},
	}
}

// chart draws the days as SVG, oldest left. Its colours are the page's.
func chart(days []posture.Day) template.HTML {
	if len(days) < 2 {
		return ""
	}
	top := 1
	for _, d := range days {
		for _, l := range lines() {
			if n := l.of(d); n != nil {
				top = max(top, *n)
			}
		}
	}
	step := nice(float64(top) / gridLines)
	scale := step * math.Ceil(float64(top)/step)
	x := func(i int) float64 { return left + plotWidth*float64(i)/float64(len(days)-1) }
	y := func(n float64) float64 { return above + plotHeight*(1-n/scale) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="trend" viewBox="0 0 %.0f %.0f" role="img" aria-label="Standing and eligible assignments and findings, from %s to %s">`,
		chartWidth, chartHeight, template.HTMLEscapeString(days[0].Day), template.HTMLEscapeString(days[len(days)-1].Day))
	for n := 0.0; n <= scale; n += step {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text class="axis" x="%.1f" y="%.1f" text-anchor="end">%.0f</text>`,
			left, left+plotWidth, y(n), y(n), left-8, y(n)+4, n)
	}
	for i, anchor := range map[int]string{0: "start", len(days) - 1: "end"} {
		fmt.Fprintf(&b, `<text class="axis" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, x(i), chartHeight-8, anchor, template.HTMLEscapeString(days[i].Day))
	}
	var ends []float64
	for _, l := range lines() {
		last := -1
		var path strings.Builder
		pen := "M"
		for i, d := range days {
			n := l.of(d)
			if n == nil {
				pen = "M"
				continue
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", pen, x(i), y(float64(*n)))
			pen, last = "L", i
		}
		if last < 0 {
			continue
		}
		at := float64(*l.of(days[last]))
		fmt.Fprintf(&b, `<path class="line %s" d="%s"/><circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"/>`, l.class, path.String(), l.class, x(last), y(at), dot+1)
		label := apart(y(at)+4, ends)
		ends = append(ends, label)
		fmt.Fprintf(&b, `<text class="label %s" x="%.1f" y="%.1f">%.0f %s</text>`, l.class, left+plotWidth+10, label, at, l.name)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // made here of numbers and of days, which are escaped
}

// apart moves a label to where no other one is.
func apart(y float64, taken []float64) float64 {
	for moved := 0.0; moved < chartHeight; moved++ {
		for _, at := range []float64{y - moved, y + moved} {
			free := at >= above+4 && at <= chartHeight-beneath+4
			for _, t := range taken {
				free = free && math.Abs(at-t) >= labelSpacing
			}
			if free {
				return at
			}
		}
	}
	return y
}

// nice is the next larger 1, 2 or 5 with zeros; never less than 1.
func nice(n float64) float64 {
	if n <= 1 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(n)))
	for _, m := range []float64{1, 2, 5} {
		if n <= m*unit {
			return m * unit
		}
	}
	return 10 * unit
}
