package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var updatePictures = flag.Bool("update", false, "write the pictures of the README anew: go test ./cmd/sandbox -run TestPictures -update")

const (
	pictures       = "../../docs/pictures"
	largestPicture = 150_000 // bytes
)

// The pictures of the README, in the order in which they are made.
var allPictures = []string{"ask", "approve", "alert", "posture", "report", "drift", "review"}

// TestPictures makes the pictures of the README: with -update those that are committed,
// otherwise others of the same, which shows that they can be made.
func TestPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a while")
	}
	w, later := newWorld(t), runWorld(t, t.TempDir(), manners{compares: true})
	page := openBrowser(t) // and closed before the worlds are
	to := page.shots
	if *updatePictures {
		to = pictures
	}
	var made []string
	picture := func(name, of string) {
		t.Helper()
		made = append(made, name)
		if text := page.picture(of); len(text) > largestPicture {
			t.Errorf("the picture %s has %d bytes", name, len(text))
		} else if err := os.WriteFile(filepath.Join(to, name+".png"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	carol.linksSlack()
	bob.linksTeams()

	page.size(1200, 960)
	page.goTo(w.urls[atPage])
	alice.types("user admin 2h A colleague cannot sign in: reset the password")
	page.reads("dialog[open]", "User Administrator needs approval by Bob Brown")
	page.click("dialog textarea", "")
	picture("ask", "body")

	page.click("dialog [type=submit]", "Send")
	page.reads("#slack .messages", "User Administrator waits for approval")
	page.press("\x1b")
	page.gone("dialog[open]")
	page.reads("#teams .messages", "Alice Adams asks for User Administrator")
	picture("approve", "body")

	page.click("#teams .messages button", "Approve")
	page.reads("#slack .messages", "User Administrator is active")
	page.click(".security summary", "")
	page.click("[data-surprise=assign-outside-pim]", "")
	page.reads(".security li.done", "Exchange Administrator")
	w.pass("11m")
	page.click("#teams .place[data-place=security-alerts]", "")
	page.reads("#teams .messages", "Exchange Administrator was assigned to Alice Adams outside of PIM")
	page.click("#teams .messages button", "Ask the person")
	page.reads("#slack .messages", "Was this you?")
	page.reads("#teams .messages", "Asked by Bob Brown")
	picture("alert", "body")

	page.size(760, 1060)
	carol.types("posture")
	page.click("#slack [data-person=U0CAROL]", "")
	page.reads("#slack .messages", "Posture of the tenant")
	page.pane("#slack", 900)
	picture("posture", "#slack")

	page.size(1200, 900)
	page.goTo(w.urls[atPage] + "/posture")
	page.reads("body", "standing assignments of the most privileged roles")
	picture("report", "html")

	w = later
	bob, frank := w.who("bob"), w.who("frank")
	frank.linksSlack()
	bob.linksTeams()
	const weaker = "The settings of User Administrator became weaker"
	w.alarmed("The first baseline of the tenant")
	frank.useAlert("accept", "The first baseline")
	w.alarmed("The first baseline of the tenant", "Accepted by Frank Fox")
	page.size(1200, 960)
	page.goTo(w.urls[atPage])
	page.click(".security summary", "")
	page.click("[data-surprise=weaken-settings]", "")
	page.reads(".security li.done", "")
	w.pass("1m")
	w.alarmed(weaker)
	w.pass("3m")
	w.alarmed(weaker, "Changed by", "Grace Green")
	frank.useAlert("accept", weaker)
	w.alarmed(weaker, "Accepted by Frank Fox")
	page.click("#slack [data-person="+frank.Slack+"]", "")
	page.click("#slack .place[data-place=security-alerts]", "")
	page.click("#teams .place[data-place=security-alerts]", "")
	page.reads("#teams .messages", "a second person has to confirm it")
	picture("drift", "body")

	w.pass("49h")
	page.click("#teams .place[data-place=Belay]", "")
	page.reads("#teams .messages", "Access review: Who administers users")
	page.size(760, 1060)
	page.click("#teams .messages button", "Open")
	page.reads("#teams .messages", "Left for you")
	page.click("#teams .notice button", "") // "One moment …"
	page.gone("#teams .notice")
	page.pane("#teams", 900)
	picture("review", "#teams")
	if !slices.Equal(made, allPictures) {
		t.Errorf("made are %v, not %v", made, allPictures)
	}
}

// The README shows the pictures that are made, each is there and small, and no other is.
func TestPicturesAreThere(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, m := range regexp.MustCompile(`!\[[^\]]+\]\(docs/pictures/([a-z-]+)\.png\)`).FindAllSubmatch(text, -1) {
		shown = append(shown, string(m[1]))
	}
	kept, err := filepath.Glob(pictures + "/*")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(shown, allPictures) || len(kept) != len(allPictures) {
		t.Errorf("the README shows %v, made are %v, and there are %v", shown, allPictures, kept)
	}
	for _, name := range allPictures {
		text, err := os.ReadFile(filepath.Join(pictures, name+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		if c, err := png.DecodeConfig(bytes.NewReader(text)); err != nil || c.Width < 600 || c.Width > 1200 || len(text) > largestPicture {
			t.Errorf("the picture %s: %d wide, %d bytes (%v)", name, c.Width, len(text), err)
		}
	}
}

// pane gives a pane a height, and shows the newest of it.
func (h *hand) pane(of string, height int) {
	h.t.Helper()
	h.until("see the pane "+of, fmt.Sprintf(`(() => {
		const pane = document.querySelector(%s), all = pane.querySelector(".scroll");
		pane.style.height = "%dpx";
		pane.scrollIntoView();
		all.scrollTop = all.scrollHeight;
		return true;
	})()`, quoted(of), height))
}

// picture is what can be seen of an element, in 256 colours.
func (h *hand) picture(of string) []byte {
	h.t.Helper()
	h.until("come to rest", `document.getAnimations().every((a) => a.playState !== "running")`)
	var at struct{ X, Y, W, H int }
	where := h.until("see "+of, fmt.Sprintf(`(() => {
		const r = document.querySelector(%s).getBoundingClientRect(), cut = (n, most) => Math.min(Math.max(Math.round(n), 0), most);
		const x = cut(r.left, innerWidth), y = cut(r.top, innerHeight);
		return { x, y, w: cut(r.right, innerWidth) - x, h: cut(r.bottom, innerHeight) - y };
	})()`, quoted(of)))
	shot, err := chromedp.Run(h.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = json.Unmarshal(where, &at)
	}
	var whole image.Image
	if err == nil {
		whole, err = png.Decode(bytes.NewReader(shot))
	}
	if err != nil {
		h.fail("take a picture", err)
	}
	part := image.NewRGBA(image.Rect(0, 0, at.W, at.H))
	draw.Draw(part, part.Bounds(), whole, image.Pt(at.X, at.Y), draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, fewColours(part)); err != nil {
		h.fail("keep a picture", err)
	}
	return out.Bytes()
}

// fewColours gives a picture the 256 colours that it has most of; those of letters' edges
// become the nearest.
func fewColours(from *image.RGBA) *image.Paletted {
	count := map[color.RGBA]int{}
	for y := range from.Rect.Dy() {
		for x := range from.Rect.Dx() {
			count[from.RGBAAt(x, y)]++
		}
	}
	all := make([]color.RGBA, 0, len(count))
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	to := image.NewPaletted(from.Rect, palette)
	for y := range from.Rect.Dy() {
		for x := range from.Rect.Dx() {
			c := from.RGBAAt(x, y)
			i, known := index[c]
			if !known {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	return to
}
