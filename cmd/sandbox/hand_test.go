package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// hand is somebody's hand on one tab: it clicks where the mouse can reach, types
// on the keyboard, and reads what can be seen.
type hand struct {
	t     *testing.T
	ctx   context.Context
	close func()
	shots string
}

// longest is how long anything may take to show, on a machine that is busy.
const longest = 30 * time.Second

// openBrowser opens an empty tab of a new browser. What the page writes to its
// console is a fault.
func openBrowser(t *testing.T) *hand {
	t.Helper()
	shots := os.Getenv("TEST_ARTIFACTS")
	if shots == "" {
		shots = t.TempDir()
	}
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findBrowser(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1440, 900))
	allocator, dismiss := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	h := &hand{t: t, ctx: ctx, shots: shots}
	heard := h.watchConsole()
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("the browser did not close by itself: %v", err)
		}
		cancel()
		dismiss()
		heard.Wait()
	})
	h.size(1440, 900)
	return h
}

// findBrowser finds Chromium. Without one the test says so, loudly.
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "NO BROWSER: there is no chromium, chromium-browser or google-chrome here, so nobody has lived the story by hand"
	if os.Getenv("TEST_BROWSER") == "required" {
		t.Fatal(missing)
	}
	fmt.Fprintln(os.Stderr, missing)
	t.Skip(missing)
	return ""
}

// watchConsole reads the console until the browser closes.
func (h *hand) watchConsole() *sync.WaitGroup {
	messages := chromedp.Console(h.ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" {
				h.t.Errorf("the page wrote to its console: %s", m)
			}
		}
	})
	return &reading
}

func (h *hand) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	h.t.Helper()
	if err := chromedp.Do(h.ctx, actions...); err != nil {
		h.fail(what, err)
	}
}

// fail keeps a picture of where it went wrong.
func (h *hand) fail(what string, err error) {
	h.t.Helper()
	if picture, err := chromedp.Run(h.ctx, chromedp.CaptureScreenshot()); err == nil {
		err = os.WriteFile(filepath.Join(h.shots, "failed.png"), picture, 0o644)
		h.t.Logf("failed.png shows it (%v)", err)
	}
	h.t.Fatalf("%s: %v", what, err)
}

func (h *hand) goTo(url string) {
	h.t.Helper()
	h.do("open "+url, chromedp.Navigate(url))
}

func (h *hand) size(width, height int64) {
	h.t.Helper()
	h.do("resize", chromedp.EmulateViewport(width, height))
}

func (h *hand) dark(yes bool) {
	h.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[yes]
	_, err := chromedp.Call(h.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	if err != nil {
		h.fail("switch to "+scheme, err)
	}
}

// until waits for an expression to be true; it is asked again in a page that a
// navigation brought.
func (h *hand) until(what, expression string) json.RawMessage {
	h.t.Helper()
	deadline := time.Now().Add(longest)
	for {
		got, err := chromedp.Run(h.ctx, chromedp.Poll[json.RawMessage](expression, chromedp.WithPollingTimeout(longest)))
		if err == nil {
			return got
		}
		if time.Now().After(deadline) || h.ctx.Err() != nil {
			h.fail(what, err)
		}
	}
}

// reads waits until text can be read in one of the elements.
func (h *hand) reads(where, text string) {
	h.t.Helper()
	h.until(fmt.Sprintf("read %q in %s", text, where),
		fmt.Sprintf(`[...document.querySelectorAll(%s)].some((e) => e.innerText.replaceAll("\u00a0", " ").includes(%s))`, quoted(where), quoted(text)))
}

// shows tells whether such an element is there now.
func (h *hand) shows(where string) bool {
	h.t.Helper()
	yes, err := chromedp.Run(h.ctx, chromedp.Evaluate[bool](fmt.Sprintf("Boolean(document.querySelector(%s))", quoted(where))))
	if err != nil {
		h.fail("look for "+where, err)
	}
	return yes
}

// gone waits until no such element is there.
func (h *hand) gone(where string) {
	h.t.Helper()
	h.until("see nothing of "+where, fmt.Sprintf(`!document.querySelector(%s)`, quoted(where)))
}

// ticked waits until the tour's first n steps are done.
func (h *hand) ticked(n int) {
	h.t.Helper()
	h.until(fmt.Sprintf("see step %d ticked off", n), fmt.Sprintf(`document.querySelectorAll("#tour li.done").length >= %d`, n))
}

// click clicks the last of the elements with exactly that text (any text when it
// is empty), once it can be seen, is enabled, stands still, and nothing lies over
// it. A page that moves in the very moment of the click makes it miss; as a person
// would, the hand then clicks again.
func (h *hand) click(where, text string) {
	h.t.Helper()
	what := fmt.Sprintf("click %q in %s", text, where)
	find := fmt.Sprintf(`const [where, text] = [%s, %s];
		const fits = (e) => !text || e.innerText.trim().startsWith(text);`, quoted(where), quoted(text))
	for range 5 {
		at := h.until(what, fmt.Sprintf(`(() => {
			%s
			const e = [...document.querySelectorAll(where)].filter(fits).at(-1);
			if (!e || e.disabled || e.closest("[aria-busy=true]")) return null;
			e.scrollIntoView({ block: "nearest" });
			const r = e.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2;
			const hit = document.elementFromPoint(x, y);
			if (!hit || !(e === hit || e.contains(hit))) return null;
			const still = window.handSaw?.e === e && window.handSaw.x === x && window.handSaw.y === y;
			window.handSaw = { e, x, y };
			if (!still) return null; // not where it was a frame ago
			window.handMissed = true;
			document.addEventListener("click", (ev) => { const on = ev.target.closest(where); if (on && fits(on)) window.handMissed = false; }, { capture: true, once: true });
			return { x, y };
		})()`, find))
		var p struct{ X, Y float64 }
		if err := json.Unmarshal(at, &p); err != nil {
			h.fail(what, err)
		}
		h.do(what, chromedp.MouseClickXY(p.X, p.Y))
		missed, err := chromedp.Run(h.ctx, chromedp.Evaluate[bool]("window.handMissed === true"))
		if err != nil || !missed { // a page that the click brought, or took away, knows of no miss
			return
		}
		h.t.Logf("%s: it moved away; again", what)
	}
	h.fail(what, errors.New("it never stands still"))
}

// press types on the keyboard, wherever the focus is.
func (h *hand) press(keys string) {
	h.t.Helper()
	h.do("type", chromedp.KeyEvent(keys))
}

// tabOf is the tab that opens when something is done.
func (h *hand) tabOf(do func()) *hand {
	h.t.Helper()
	opened := chromedp.WaitNewTarget(h.ctx, func(i *target.Info) bool { return strings.HasPrefix(i.URL, "http") })
	do()
	select {
	case id := <-opened:
		ctx, cancel := chromedp.NewContext(h.ctx, chromedp.WithTargetID(id))
		tab := &hand{t: h.t, ctx: ctx, close: cancel, shots: h.shots}
		tab.size(1000, 760)
		return tab
	case <-time.After(longest):
		h.fail("open a tab", context.DeadlineExceeded)
		return nil
	}
}

// shot keeps a screenshot once what moves has come to rest.
func (h *hand) shot(name string) {
	h.t.Helper()
	h.until("come to rest", `document.getAnimations().every((a) => a.playState !== "running")`)
	picture, err := chromedp.Run(h.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(h.shots, name+".png"), picture, 0o644)
	}
	if err != nil {
		h.fail("keep a screenshot", err)
	}
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return string(b)
}
