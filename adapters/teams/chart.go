package teams

import (
	"slices"
	"strconv"
	"time"

	"github.com/belaybot/belay/bot"
)

// What a chart takes at the most: ours, for Teams names no limits.
const (
	maxChartTitle  = 100
	maxChartName   = 40
	maxChartSeries = 6
	maxChartPoints = 100
)

// lineChart is Teams' own element for a chart of lines, which the schema of Adaptive Cards
// does not have. A client that does not know it leaves it out: its words stand below it.
// Source: https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/charts-in-adaptive-cards
type lineChart struct {
	Type     string      `json:"type"`
	Title    string      `json:"title"`
	Data     []chartLine `json:"data"`
	Fallback string      `json:"fallback"`
}

type chartLine struct {
	Legend string       `json:"legend"`
	Values []chartPoint `json:"values"`
}

type chartPoint struct {
	X string `json:"x"` // 2026-11-26
	Y int    `json:"y"`
}

// cleanChart makes the texts of a chart fit to be shown. It is not documented whether Teams
// reads markup in its title and legends; they are shown so that there is none.
func cleanChart(c bot.Chart) *bot.Chart {
	c.Title, c.Text = plain(c.Title, maxChartTitle), plain(c.Text, maxNote)
	c.Series = slices.Clone(c.Series)
	for i := range c.Series {
		c.Series[i] = plain(c.Series[i], maxChartName)
	}
	return &c
}

// layChart is a chart, where it has points, and its words.
func layChart(c *bot.Chart) []any {
	if c == nil {
		return nil
	}
	var items []any
	points := c.Points[max(0, len(c.Points)-maxChartPoints):]
	chart := lineChart{Type: "Chart.Line", Title: or(unmarked(c.Title, maxChartTitle), "–"), Data: []chartLine{}, Fallback: "drop"}
	for i, name := range c.Series[:min(len(c.Series), maxChartSeries)] {
		l := chartLine{Legend: or(unmarked(name, maxChartName), strconv.Itoa(i+1)), Values: []chartPoint{}}
		for _, p := range points {
			if i < len(p.Values) {
				l.Values = append(l.Values, chartPoint{X: p.Day.UTC().Format(time.DateOnly), Y: p.Values[i]})
			}
		}
		chart.Data = append(chart.Data, l)
	}
	if len(points) > 1 && len(chart.Data) > 0 {
		items = append(items, chart)
	}
	if c.Text != "" {
		items = append(items, small(c.Text))
	}
	return items
}
