package teamstest

import (
	"cmp"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // people are somewhere

	"github.com/google/uuid"
)

// world is everything that outlives a restart.
type world struct {
	Version  int    `json:"version"`
	TenantID string `json:"tenant_id"`
	AppID    string `json:"app_id"`
	State    State  `json:"state"`
	LastID   int64  `json:"last_id"` // of a message: milliseconds since 1970
	Keys     keys   `json:"keys"`
}

const worldVersion = 1

// AddUser adds a person, or renews the profile of the person of that name; it
// does not install or uninstall anything for somebody who is there already.
// Nothing is sent to the bot: see Install.
func (t *Teams) AddUser(u User) (Person, error) {
	if u.Name == "" || uuid.Validate(u.AADObjectID) != nil {
		return Person{}, &Refused{"a user needs a name and an Entra object id"}
	}
	if _, err := time.LoadLocation(u.Timezone); err != nil {
		return Person{}, &Refused{fmt.Sprintf("there is no time zone %q", u.Timezone)}
	}
	var added Person
	err := t.change(func(w *world) error {
		if other := w.State.account(u.AADObjectID); other != nil && other.Name != u.Name {
			return &Refused{fmt.Sprintf("%s has that object id already", other.Name)}
		}
		if p := w.State.person(u.Name); p != nil {
			if p.AADObjectID != u.AADObjectID {
				return &Refused{fmt.Sprintf("%s has another object id already", u.Name)}
			}
			u.InstalledPersonal, u.Timezone = p.InstalledPersonal, cmp.Or(u.Timezone, p.Timezone)
			p.User = u
			added = *p
			return nil
		}
		added = Person{User: u, ID: "29:1" + t.pseudonym("user", u.AADObjectID), Personal: "a:1" + t.pseudonym("chat", u.AADObjectID), Toasts: []Toast{}}
		w.State.Users = append(w.State.Users, added)
		w.State.Conversations = append(w.State.Conversations, Conversation{
			ID: added.Personal, Kind: Personal, Name: u.Name, Members: []string{u.Name},
			BotInstalled: u.InstalledPersonal, Activities: []Activity{},
		})
		return nil
	})
	return added, err
}

// Move brings a person into another time zone, which everything that they send names
// from then on. Nothing is sent to the bot.
func (t *Teams) Move(user, timezone string) error {
	if _, err := time.LoadLocation(timezone); err != nil || timezone == "" || timezone == "Local" {
		return &Refused{fmt.Sprintf("there is no time zone %q", timezone)}
	}
	if t.State().Person(user).Timezone == timezone {
		return nil
	}
	return t.change(func(w *world) error {
		p := w.State.person(user)
		if p == nil {
			return &Refused{fmt.Sprintf("nobody is called %q", user)}
		}
		p.Timezone = timezone
		return nil
	})
}

// location is where the person is.
func (p Person) location() *time.Location {
	l, err := time.LoadLocation(cmp.Or(p.Timezone, "Europe/London"))
	if err != nil {
		return time.UTC // it was checked
	}
	return l
}

// AddChannel adds a channel, or renews the name and members of the channel of
// that id. Members must be there already. Nothing is sent to the bot.
func (t *Teams) AddChannel(c Channel) error {
	if !isThread(c.ID) || !isThread(c.TeamID) || c.Name == "" {
		return &Refused{`a channel needs a name and ids of the form "19:…@thread.tacv2" for itself and its team`}
	}
	return t.change(func(w *world) error {
		for _, name := range c.Members {
			if w.State.person(name) == nil {
				return &Refused{fmt.Sprintf("nobody is called %q", name)}
			}
		}
		if old, _ := w.State.conversation(c.ID); old != nil {
			old.Name, old.Members = c.Name, append([]string{}, c.Members...)
			return nil
		}
		w.State.Conversations = append(w.State.Conversations, Conversation{
			ID: c.ID, Kind: ChannelKind, Name: c.Name, TeamID: c.TeamID,
			Members: append([]string{}, c.Members...), BotInstalled: c.BotInstalled, Activities: []Activity{},
		})
		return nil
	})
}

func isThread(id string) bool {
	return strings.HasPrefix(id, "19:") && strings.HasSuffix(id, "@thread.tacv2") && !strings.ContainsAny(id, ";/ ")
}

// pseudonym derives an id that, as in Teams, means something to this bot only.
func (t *Teams) pseudonym(parts ...string) string {
	sum := sha512.Sum512([]byte(strings.Join(append(parts, t.options.TenantID, t.options.AppID), "|")))
	return base64.RawURLEncoding.EncodeToString(sum[:48])
}

// change applies f to the world, keeps the result in the file and wakes whoever
// waits. When f or the file fails, the world is as it was. f must not keep
// pointers into the world.
func (t *Teams) change(f func(*world) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.world
	next.State = t.world.State.clone()
	if err := f(&next); err != nil {
		return err
	}
	next.State.Revision++
	if err := t.save(&next); err != nil {
		t.report("the world cannot be kept: %v", err)
		return err
	}
	t.world = next
	close(t.changed)
	t.changed = make(chan struct{})
	return nil
}

// nextID gives an id as Teams gives messages: the time in milliseconds.
func (w *world) nextID(nowMilli int64) string {
	w.LastID = max(w.LastID+1, nowMilli)
	return strconv.FormatInt(w.LastID, 10)
}

// load takes the world from the file, or begins a new one.
func (t *Teams) load() error {
	fresh := func() error {
		k, err := newKeys()
		if err != nil {
			return err
		}
		t.world = world{
			Version: worldVersion, TenantID: t.options.TenantID, AppID: t.options.AppID, Keys: k,
			State: State{Users: []Person{}, Conversations: []Conversation{}},
		}
		return t.save(&t.world)
	}
	if t.options.File == "" {
		return fresh()
	}
	raw, err := os.ReadFile(t.options.File)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh()
	}
	if err != nil {
		return fmt.Errorf("teamstest: the kept world cannot be read: %w", err)
	}
	var w world
	if err := decode(raw, &w); err != nil {
		return fmt.Errorf("teamstest: %s is damaged; move it away to begin anew: %w", t.options.File, err)
	}
	if w.Version != worldVersion || w.TenantID != t.options.TenantID || w.AppID != t.options.AppID {
		return fmt.Errorf("teamstest: %s belongs to another tenant, app or version; move it away to begin anew", t.options.File)
	}
	if err := w.Keys.parse(); err != nil {
		return fmt.Errorf("teamstest: %s is damaged; move it away to begin anew: %w", t.options.File, err)
	}
	t.world = w
	return nil
}

// save puts a world into the file, readable by its owner only since it holds
// keys: first beside it, then in its place, so that a kill leaves one or the
// other whole.
func (t *Teams) save(w *world) error {
	if t.options.File == "" {
		return nil
	}
	raw, err := json.Marshal(w)
	if err != nil {
		return err
	}
	dir := filepath.Dir(t.options.File)
	f, err := os.CreateTemp(dir, ".teams-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), t.options.File)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
