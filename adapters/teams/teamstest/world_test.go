package teamstest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPersistence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "teams.json")
	keep := func(o *Options) { o.File = file }
	r := newRig(t, keep)
	id := r.post(r.State().Person("Bob").Personal, approval)
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":` + textCard("Only Bob") + `}`
	})
	if _, err := r.Press(ctx(t), "Bob", "", id, "Approve", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Install(ctx(t), "Dave", ""); err != nil {
		t.Fatal(err)
	}
	if err := r.RotateKey(); err != nil {
		t.Fatal(err)
	}
	before, token, signed := r.State(), r.token, r.Token(nil, KeyCurrent)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	again, err := New(Options{TenantID: tenantID, AppID: appID, AppSecret: secret, File: file, Now: r.clock, Unhandled: r.note})
	if err != nil {
		t.Fatal(err)
	}
	again.SetURLs(r.urls)
	if diff := cmp.Diff(before, again.State()); diff != "" {
		t.Error(diff)
	}
	if again.Token(nil, KeyCurrent) != signed {
		t.Error("the keys are others")
	}
	// A second start adds the same people and channels: nothing is undone.
	r2 := newRig(t, keep)
	if !r2.State().Person("Dave").InstalledPersonal || len(r2.State().Users) != 3 || len(r2.State().Conversations) != 4 {
		t.Errorf("after adding again: %+v", r2.State().Users)
	}
	if got := r2.only("", "Bob"); got.ReadBy("Bob") != "Only Bob" {
		t.Errorf("Bob sees %+v", got)
	}
	r2.token = token // from before
	next := r2.post(r2.alice().Personal, approval)
	if next <= id {
		t.Errorf("id %s after %s", next, id)
	}
}

func TestWorldThatCannotBeLoaded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "teams.json")
	options := Options{TenantID: tenantID, AppID: appID, AppSecret: secret, File: file, Unhandled: func(string) {}}
	if _, err := New(options); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ content, want string }{
		"empty":        {"", "damaged"},
		"cut":          {string(good[:len(good)/2]), "damaged"},
		"unknown":      {`{"surprise":1}`, "damaged"},
		"another app":  {strings.ReplaceAll(string(good), appID, aliceOID), "belongs to another"},
		"no keys":      {`{"version":1,"tenant_id":"` + tenantID + `","app_id":"` + appID + `"}`, "damaged"},
		"a later file": {strings.Replace(string(good), `"version":1`, `"version":9`, 1), "belongs to another"},
	} {
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != c.content {
			t.Errorf("%s: the file was touched (%v)", name, err)
		}
	}
	options.File = t.TempDir()
	if _, err := New(options); err == nil {
		t.Error("a directory is taken for a world")
	}
}

func TestWhatCannotBeKeptIsNotDone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "world")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *Options) { o.File = filepath.Join(dir, "teams.json") })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	before := r.State()
	r.must(r.call("POST", activities(r.alice().Personal), `{"type":"message","text":"x"}`), 500, "ServiceError")
	r.complained("cannot be kept")
	if diff := cmp.Diff(before, r.State()); diff != "" {
		t.Error(diff)
	}
}

func TestOptions(t *testing.T) {
	good := Options{TenantID: tenantID, AppID: appID, AppSecret: secret, Unhandled: func(string) {}}
	for want, edit := range map[string]func(*Options){
		"Unhandled": func(o *Options) { o.Unhandled = nil },
		"TenantID":  func(o *Options) { o.TenantID = "contoso" },
		"AppID":     func(o *Options) { o.AppID = "" },
		"AppSecret": func(o *Options) { o.AppSecret = "" },
	} {
		o := good
		edit(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	r := newRig(t, nil)
	for _, u := range []User{
		{Name: "", AADObjectID: aliceOID}, {Name: "Eve", AADObjectID: "x"}, {Name: "Eve", AADObjectID: aliceOID}, {Name: "Alice", AADObjectID: tenantID},
	} {
		if _, err := r.AddUser(u); err == nil {
			t.Errorf("%+v is added", u)
		}
	}
	for _, c := range []Channel{
		{ID: "general", Name: "x", TeamID: teamID}, {ID: channelID, Name: "", TeamID: teamID},
		{ID: "19:new@thread.tacv2", Name: "x", TeamID: teamID, Members: []string{"Nobody"}},
	} {
		if err := r.AddChannel(c); err == nil {
			t.Errorf("%+v is added", c)
		}
	}
}

func TestWait(t *testing.T) {
	r := newRig(t, nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := r.Message(t.Context(), "Alice", "", "hi", false); err != nil {
			t.Error(err)
		}
	})
	if err := r.Wait(ctx(t), func(s State) bool { return len(s.In("", "Alice")) == 1 }); err != nil {
		t.Error(err)
	}
	wg.Wait()
	ended, cancel := context.WithCancel(ctx(t))
	cancel()
	if err := r.Wait(ended, func(State) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	// A State is a copy.
	s := r.State()
	s.Users[0].Name = "Eve"
	s.Conversations[0].Activities[0].Text = "changed"
	if r.State().Person("Alice").Name != "Alice" || r.only("", "Alice").Text != "hi" {
		t.Error("a change of the copy changed the world")
	}
}
