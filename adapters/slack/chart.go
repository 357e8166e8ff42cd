package slack

import (
	"fmt"
	"slices"
	"time"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// Limits of charts, which Slack draws itself.
// Source: https://docs.slack.dev/reference/block-kit/blocks/data-visualization-block
const (
	maxCharts      = 2 // in a message
	maxChartTitle  = 50
	maxChartSeries = 6
	maxChartPoints = 20
	maxChartLabel  = 20 // of a point and of a series
)

// cleanChart makes the texts of a chart fit to be shown, and leaves the chart of the card as it is.
func cleanChart(c *bot.Chart) *bot.Chart {
	if c == nil {
		return nil
	}
	d := *c
	d.Title, d.Text = cut(bot.Clean(d.Title), maxChartTitle+1), cut(bot.Clean(d.Text), maxText+1)
	d.Series = slices.Clone(d.Series)
	for i := range d.Series {
		d.Series[i] = cut(bot.Clean(d.Series[i]), maxChartLabel+1)
	}
	return &d
}

// drawn leaves the charts beyond the first so many of cards to their words.
func drawn(cards []bot.Card, charts int) []bot.Card {
	cards = slices.Clone(cards)
	for i := range cards {
		c := cards[i].Chart
		if c == nil {
			continue
		}
		if charts > 0 {
			charts--
			continue
		}
		words := *c
		words.Points = nil
		cards[i].Chart = &words
	}
	return cards
}

// hasChart tells whether a chart is drawn in one of cards.
func hasChart(cards []bot.Card) bool {
	return slices.ContainsFunc(cards, func(c bot.Card) bool { return c.Chart != nil && len(c.Chart.Points) > 0 })
}

// plainly calls Slack with cards, and where it refuses the blocks, with the words of their
// charts: not every workspace has charts yet, and the words are there too.
func plainly(cards []bot.Card, call func(cards ...bot.Card) error) error {
	err := call(cards...)
	if refusedAs(err, "invalid_blocks") && hasChart(cards) {
		return call(drawn(cards, 0)...)
	}
	return err
}

// chart is the chart, where it has points, and its words below it. Where room is scarce,
// which is when most is small, it is the words.
func chart(c *bot.Chart, most int) []slackgo.Block {
	if c == nil {
		return nil
	}
	var all []slackgo.Block
	if b := plot(*c); b != nil && most >= maxShort {
		all = append(all, b)
	}
	if text := bot.Clean(c.Text); text != "" {
		all = append(all, slackgo.NewContextBlock("", plain(cut(text, most))))
	}
	return all
}

// plot draws a line for each series; nil where Slack would refuse it.
func plot(c bot.Chart) slackgo.Block {
	labels, points := labelled(c.Points)
	var lines []slackgo.DataVisualizationDataSeries
	for i, name := range c.Series[:min(len(c.Series), maxChartSeries)] {
		if name = or(cut(line(name), maxChartLabel), "–"); slices.ContainsFunc(lines, func(l slackgo.DataVisualizationDataSeries) bool { return l.Name == name }) {
			name = fmt.Sprint(i + 1)
		}
		l := slackgo.NewDataVisualizationDataSeries(name)
		for n, p := range points {
			if i < len(p.Values) {
				l.Data = append(l.Data, slackgo.NewDataVisualizationDataPoint(labels[n], float64(p.Values[i])))
			}
		}
		lines = append(lines, l)
	}
	b := slackgo.NewDataVisualizationBlock(or(cut(line(c.Title), maxChartTitle), "–"),
		slackgo.NewDataVisualizationLineChart(slackgo.NewDataVisualizationAxisConfig(labels...), lines...))
	if b.Validate() != nil {
		return nil
	}
	return b
}

// labelled are the last points that a chart takes, each with the day that it is called by.
func labelled(points []bot.Point) (labels []string, some []bot.Point) {
	points = points[max(0, len(points)-maxChartPoints):]
	format := "2 Jan"
	if len(points) > 0 && points[len(points)-1].Day.Sub(points[0].Day) > 300*24*time.Hour {
		format = "2 Jan 2006"
	}
	for _, p := range points {
		if label := p.Day.UTC().Format(format); !slices.Contains(labels, label) {
			labels, some = append(labels, label), append(some, p)
		}
	}
	return labels, some
}
