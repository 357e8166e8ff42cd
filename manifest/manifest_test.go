package manifest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dlclark/regexp2"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the golden files anew")

const botID = "B3A1C0DE-4F52-4A7E-8D7C-90F1E2D3C4B5"

func belay() App { return App{Name: "Belay", PublicURL: "https://belay.example.com"} }

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-golden +got; -update writes it anew):\n%s", name, diff)
	}
}

// ecma lets schemas use regular expressions that Go's own package refuses.
type ecma struct{ *regexp2.Regexp }

func (e ecma) MatchString(s string) bool {
	ok, err := e.Regexp.MatchString(s)
	return err == nil && ok
}

func compile(text string) (jsonschema.Regexp, error) {
	re, err := regexp2.Compile(text, regexp2.ECMAScript)
	if err != nil {
		return nil, err
	}
	return ecma{re}, nil
}

// schema compiles root; others are files by the address that they are known by.
func schema(t *testing.T, root string, others map[string]string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.UseRegexpEngine(compile)
	for address, name := range others {
		if err := c.AddResource(address, value(t, read(t, name))); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func teamsSchema(t *testing.T, version string) *jsonschema.Schema {
	name := "MicrosoftTeams.schema.v" + version + ".json"
	return schema(t, "mem:///"+name, map[string]string{"mem:///" + name: name})
}

func slackSchema(t *testing.T) *jsonschema.Schema {
	const at = "https://raw.githubusercontent.com/slackapi/manifest-schema/v0.5.0/schemas/"
	return schema(t, "mem:///slack.json", map[string]string{"mem:///slack.json": "manifest.schema.json",
		at + "manifest.schema.1.0.0.json": "manifest.schema.1.0.0.json", at + "manifest.schema.2.0.0.json": "manifest.schema.2.0.0.json"})
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func value(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSlack(t *testing.T) {
	got, err := Slack(belay())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "slack-manifest.json", got)
	s := slackSchema(t)
	if err := s.Validate(value(t, got)); err != nil {
		t.Error(err)
	}
	// The schema can refuse.
	bad := bytes.Replace(got, []byte(`"display_information"`), []byte(`"display_informations"`), 1)
	if s.Validate(value(t, bad)) == nil {
		t.Error("the schema accepts a manifest without display information")
	}
	// The longest name is accepted as well.
	got, err = Slack(App{Name: strings.Repeat("ä", maxName), PublicURL: "https://belay.example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(value(t, got)); err != nil {
		t.Error(err)
	}
	if bytes.Contains(got, []byte("com//")) {
		t.Error("a slash at the end of the public URL is doubled")
	}
}

func TestTeams(t *testing.T) {
	for _, test := range []struct {
		slash   bool
		version string
	}{{false, "1.19"}, {true, "1.29"}} {
		t.Run(test.version, func(t *testing.T) {
			files := unpack(t, Teams{App: belay(), BotID: botID}, test.slash)
			golden(t, "teams-"+test.version+".json", files["manifest.json"])
			if err := teamsSchema(t, test.version).Validate(value(t, files["manifest.json"])); err != nil {
				t.Error(err)
			}
			longest := unpack(t, Teams{App: App{Name: strings.Repeat("ä", maxName), PublicURL: "https://belay.example.com", About: "https://intranet.example.com/belay?x=1"}, BotID: botID}, test.slash)
			if err := teamsSchema(t, test.version).Validate(value(t, longest["manifest.json"])); err != nil {
				t.Error(err)
			}
			var m teamsManifest
			if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
				t.Fatal(err)
			}
			if len(files) != 3 {
				t.Errorf("%d files, want the manifest and two icons", len(files))
			}
			// Sizes and colours that Teams asks for.
			color := picture(t, files[m.Icons.Color], 192)
			outline := picture(t, files[m.Icons.Outline], 32)
			for i := 3; i < len(color.Pix); i += 4 {
				if color.Pix[i] != 0xFF {
					t.Fatal("the colour icon is transparent somewhere")
				}
			}
			clear, full := 0, 0
			for i := 0; i < len(outline.Pix); i += 4 {
				switch p := outline.Pix[i : i+4]; {
				case p[3] == 0:
					clear++
				case p[0] != 0xFF || p[1] != 0xFF || p[2] != 0xFF:
					t.Fatalf("a pixel of the outline icon is %v, which is not white", p)
				case p[3] == 0xFF:
					full++
				}
			}
			if clear < 300 || full < 100 {
				t.Errorf("%d pixels of the outline icon are clear and %d are white: that is no mark", clear, full)
			}
		})
	}
}

// A slash manifest under the default version is what the two schemas are told
// apart by: the older one has no targeted messages.
func TestTeamsSlashNeedsTheNewerSchema(t *testing.T) {
	files := unpack(t, Teams{App: belay(), BotID: botID}, true)
	old := bytes.ReplaceAll(files["manifest.json"], []byte("1.29"), []byte("1.19"))
	if teamsSchema(t, "1.19").Validate(value(t, old)) == nil {
		t.Error("the schema of 1.19 accepts what only 1.29 knows")
	}
}

func TestTeamsPackageIsTheSameEveryTime(t *testing.T) {
	first, err := TeamsPackage(Teams{App: belay(), BotID: botID}, false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := TeamsPackage(Teams{App: belay(), BotID: botID}, false)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two packages of the same values differ")
	}
}

func unpack(t *testing.T, of Teams, slash bool) map[string][]byte {
	t.Helper()
	b, err := TeamsPackage(of, slash)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func picture(t *testing.T, b []byte, size int) *image.NRGBA {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Bounds().Size(); got != (image.Point{X: size, Y: size}) {
		t.Fatalf("the icon is %v, want %d pixels each way", got, size)
	}
	out := image.NewNRGBA(m.Bounds())
	for y := range size {
		for x := range size {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out
}

func TestBadInput(t *testing.T) {
	for _, test := range []struct {
		app  App
		want string
	}{
		{App{Name: "", PublicURL: "https://belay.example.com"}, "the name must be"},
		{App{Name: "B'; rm -rf /", PublicURL: "https://belay.example.com"}, "the name must be"},
		{App{Name: " Belay", PublicURL: "https://belay.example.com"}, "the name must be"},
		{App{Name: strings.Repeat("a", maxName+1), PublicURL: "https://belay.example.com"}, "the name must be"},
		{App{Name: "Belay", PublicURL: "http://belay.example.com"}, "the public URL must be"},
		{App{Name: "Belay", PublicURL: "belay.example.com"}, "the public URL must be"},
		{App{Name: "Belay", PublicURL: "https://belay.example.com/path"}, "the public URL must be"},
		{App{Name: "Belay", PublicURL: "https://u:p@belay.example.com"}, "the public URL must be"},
		{App{Name: "Belay", PublicURL: "https://:443"}, "the public URL must be"},
		{App{Name: "Belay", PublicURL: "https://belay.example.com", About: "javascript:alert(1)"}, "the about URL must be"},
	} {
		if err := test.app.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.app, err, test.want)
		}
		for name, err := range map[string]error{
			"Slack": second(Slack(test.app)), "Teams": second(TeamsPackage(Teams{App: test.app, BotID: botID}, false)),
			"EntraJSON": second(EntraJSON(Entra{App: test.app})), "EntraScript": second(EntraScript(Entra{App: test.app})),
			"Readme": second(Readme(test.app, "")),
		} {
			if err == nil {
				t.Errorf("%s renders %+v", name, test.app)
			}
		}
	}
	if _, err := TeamsPackage(Teams{App: belay(), BotID: "belay"}, false); err == nil || !strings.Contains(err.Error(), "the bot id must be") {
		t.Errorf("got %v", err)
	}
}

func second(_ []byte, err error) error { return err }

func TestIsGUID(t *testing.T) {
	for text, want := range map[string]bool{botID: true, strings.ToLower(botID): true, "": false,
		"b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b": false, "b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4bg": false, "b3a1c0de04f52-4a7e-8d7c-90f1e2d3c4b5": false, "--------------------------------------"[:36]: false} {
		if IsGUID(text) != want {
			t.Errorf("IsGUID(%q) is %t", text, !want)
		}
	}
}

func TestReadme(t *testing.T) {
	with, err := Readme(belay(), botID)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "README.txt", with)
	without, err := Readme(belay(), "")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(without, []byte("belay init DIR --only teams --public-url https://belay.example.com --bot-id CLIENT_ID")) {
		t.Errorf("it does not say how the Teams package is made later:\n%s", without)
	}
}
