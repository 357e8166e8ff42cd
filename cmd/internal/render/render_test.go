package render

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim/posture"
)

// The page has the trend as a picture inside it: well formed, with a gap where something was
// not seen, and without what the page would have to fetch.
func TestThePageHasTheTrend(t *testing.T) {
	n := func(n int) *int { return &n }
	taken := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	var days []posture.Day
	for back := 9; back > 0; back-- {
		d := posture.Day{Day: taken.AddDate(0, 0, -back).Format(time.DateOnly), Standing: n(back), Eligible: n(20 - back)}
		if back == 5 {
			d.Standing = nil
		}
		days = append(days, d)
	}
	var page bytes.Buffer
	if err := postureHTML(&page, posture.Report{Taken: taken, Tenant: "t"}, days); err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(page.String(), `<svg class="trend"`)
	picture, _, ends := strings.Cut(rest, "</svg>")
	if !found || !ends || strings.Contains(picture, "http") {
		t.Fatalf("%.2000s", page.String())
	}
	for d := xml.NewDecoder(strings.NewReader("<svg" + picture + "</svg>")); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	pieces := func(class string) int {
		_, line, _ := strings.Cut(picture, fmt.Sprintf(`<path class="line %s" d="`, class))
		line, _, _ = strings.Cut(line, `"`)
		return strings.Count(line, "M")
	}
	if pieces("standing") != 2 || pieces("eligible") != 1 || !strings.Contains(picture, "1 standing") || !strings.Contains(picture, "2026-11-17") {
		t.Errorf("%d pieces of standing and %d of eligible: %s", pieces("standing"), pieces("eligible"), picture)
	}
	page.Reset()
	if err := postureHTML(&page, posture.Report{Taken: taken, Tenant: "t"}, days[:1]); err != nil || strings.Contains(page.String(), "<svg") {
		t.Errorf("a trend of one day is drawn: %v", err)
	}
}
