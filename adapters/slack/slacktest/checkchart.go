package slacktest

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"
)

// Limits of a chart of lines, the one kind that is simulated.
// Source: https://docs.slack.dev/reference/block-kit/blocks/data-visualization-block
const (
	maxChartTitle  = 50
	maxChartLabel  = 20
	maxSeries      = 6
	maxChartPoints = 20
	maxCharts      = 2 // in a message
)

// chart checks a data_visualization block.
func (c *checker) chart(at string, m map[string]any) {
	c.object(at, m, "type title chart", "block_id")
	if c.charts++; c.charts > maxCharts {
		c.fault(at, "no more than %d charts allowed in a message", maxCharts)
	}
	if c.view {
		c.stranger(at, "a chart in a view")
	}
	c.str(at, m, "title", 1, maxChartTitle)
	at += "/chart"
	lines, ok := c.object(at, m["chart"], "type series axis_config", "")
	if !ok {
		return
	}
	if lines["type"] != "line" {
		c.stranger(at+"/type", "unsupported type: %v", lines["type"])
	}
	axis, ok := c.object(at+"/axis_config", lines["axis_config"], "categories", "x_label y_label")
	if !ok {
		return
	}
	c.str(at+"/axis_config", axis, "x_label", 0, 50)
	c.str(at+"/axis_config", axis, "y_label", 0, 50)
	categories := c.labels(at+"/axis_config/categories", c.list(at+"/axis_config", axis, "categories", 1, maxChartPoints))
	names := map[string]bool{}
	for i, v := range c.list(at, lines, "series", 1, maxSeries) {
		at := fmt.Sprintf("%s/series/%d", at, i)
		s, ok := c.object(at, v, "name data", "")
		if !ok {
			continue
		}
		name := c.str(at, s, "name", 1, maxChartLabel)
		if names[name] {
			c.fault(at+"/name", "must be unique")
		}
		names[name] = true
		var of []any
		for j, v := range c.list(at, s, "data", 1, maxChartPoints) {
			at := fmt.Sprintf("%s/data/%d", at, j)
			p, ok := c.object(at, v, "label value", "")
			if !ok {
				continue
			}
			of = append(of, p["label"])
			if _, ok := p["value"].(json.Number); !ok {
				c.fault(at+"/value", "must be a valid number")
			}
		}
		got := c.labels(at+"/data", of)
		for label := range categories {
			if !got[label] {
				c.fault(at+"/data", "must have a point for each category")
				break
			}
		}
		if len(got) > len(categories) {
			c.fault(at+"/data", "must have one point for each category")
		}
	}
}

// labels are labels of points, none twice.
func (c *checker) labels(at string, all []any) map[string]bool {
	seen := map[string]bool{}
	for i, v := range all {
		s, ok := v.(string)
		if !ok {
			c.fault(fmt.Sprintf("%s/%d", at, i), "must be a valid string")
			continue
		}
		c.length(fmt.Sprintf("%s/%d", at, i), s, 1, maxChartLabel)
		if seen[s] {
			c.fault(fmt.Sprintf("%s/%d", at, i), "must be unique")
		}
		seen[s] = true
	}
	return seen
}

// lineChart is a chart on the wire.
type lineChart struct {
	Type   string `json:"type"`
	Series []struct {
		Name string `json:"name"`
		Data []struct {
			Label string  `json:"label"`
			Value float64 `json:"value"`
		} `json:"data"`
	} `json:"series"`
	Axis struct {
		Categories []string `json:"categories"`
		X          string   `json:"x_label,omitempty"`
		Y          string   `json:"y_label,omitempty"`
	} `json:"axis_config"`
}

// html draws the chart, well enough to see which way it goes: a line for each series, and
// the names and ends of all.
func (l *lineChart) html(title string) string {
	const width, height = 400.0, 120.0
	top := 1.0
	for _, s := range l.Series {
		for _, p := range s.Data {
			top = max(top, p.Value)
		}
	}
	var out, legend strings.Builder
	for i, s := range l.Series {
		var points []string
		for n, p := range s.Data {
			points = append(points, fmt.Sprintf("%.1f,%.1f", width*float64(n)/float64(max(1, len(s.Data)-1)), height-height*max(0, p.Value)/top))
		}
		fmt.Fprintf(&out, `<polyline class="series-%d" fill="none" points="%s"/>`, i, strings.Join(points, " "))
		if n := len(s.Data); n > 0 {
			fmt.Fprintf(&legend, `<span class="series-%d">%s: %g → %g</span> `, i, html.EscapeString(s.Name), s.Data[0].Value, s.Data[n-1].Value)
		}
	}
	from, to := "", ""
	if n := len(l.Axis.Categories); n > 0 {
		from, to = html.EscapeString(l.Axis.Categories[0]), html.EscapeString(l.Axis.Categories[n-1])
	}
	return fmt.Sprintf(`<figure class="chart"><figcaption>%s</figcaption><svg viewBox="-2 -2 %.0f %.0f" role="img" aria-label="%s" stroke="currentColor">%s</svg><p>%s – %s. %s</p></figure>`,
		html.EscapeString(title), width+4, height+4, html.EscapeString(title), out.String(), from, to, legend.String())
}
