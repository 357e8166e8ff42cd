package teamstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// checkChart checks a Chart.Line, which is Teams' own and in no schema.
// Source: https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/charts-in-adaptive-cards
func checkChart(element map[string]any) error {
	if err := known(element, "a chart", "type", "title", "data", "fallback", "xAxisTitle", "yAxisTitle", "colorSet"); err != nil {
		return err
	}
	if element["fallback"] == nil {
		return errors.New("a chart has no fallback, and not every client knows charts")
	}
	lines, ok := element["data"].([]any)
	if !ok || len(lines) == 0 {
		return errors.New("a chart has no data")
	}
	for _, v := range lines {
		l, ok := v.(map[string]any)
		if !ok {
			return errors.New("a line of a chart is not an object")
		}
		if err := known(l, "a line of a chart", "legend", "values", "color"); err != nil {
			return err
		}
		values, ok := l["values"].([]any)
		if !ok || len(values) == 0 || text(l["legend"]) == "" {
			return errors.New("a line of a chart has no values, or no legend")
		}
		for _, v := range values {
			p, ok := v.(map[string]any)
			if !ok {
				return errors.New("a point of a chart is not an object")
			}
			if err := known(p, "a point of a chart", "x", "y"); err != nil {
				return err
			}
			if _, ok := p["y"].(json.Number); !ok {
				return fmt.Errorf("the y of a point is %v", p["y"])
			}
			if _, err := time.Parse(time.DateOnly, text(p["x"])); err != nil {
				return fmt.Errorf("the x of a point is %v; numbers are not simulated", p["x"])
			}
		}
	}
	return nil
}

func known(m map[string]any, what string, names ...string) error {
	may := map[string]bool{}
	for _, n := range names {
		may[n] = true
	}
	for name := range m {
		if !may[name] {
			return fmt.Errorf("%s of %s is not simulated", name, what)
		}
	}
	return nil
}
