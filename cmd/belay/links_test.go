package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// linkPeople links people as a sign-in does, without one.
func (d data) linkPeople(people ...bot.Link) {
	d.t.Helper()
	d.open(func(s store.Store, keys *store.Keyset) error {
		return s.Update(d.t.Context(), func(tx store.Tx) error {
			for _, l := range people {
				key := keys.Pseudonym("chat user", string(l.User.Platform), l.User.Tenant, l.User.ID)
				if err := store.NewBucket[bot.Link]("links").Put(tx, key, l); err != nil {
					return err
				}
				if err := store.NewBucket[string]("links-by-principal").Put(tx, keys.Pseudonym("linked principal", l.Principal.ID)+"/"+key, key); err != nil {
					return err
				}
				// A sign-in of theirs, as far as a command can tell.
				grant := map[string]any{"person": l.Principal.ID, "session": "s", "signedIn": time.Now()}
				if err := store.NewBucket[map[string]any]("grants").Put(tx, keys.Pseudonym("grant", l.Principal.ID), grant); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (d data) links(want int, args ...string) (out, said string) {
	d.t.Helper()
	var o, e bytes.Buffer
	if got := run(d.t.Context(), append(append([]string{"links"}, args...), "--config", d.file), nil, &o, &e); got != want {
		d.t.Fatalf("links %s exits %d, want %d: %s%s", strings.Join(args, " "), got, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

func linkOf(p bot.Platform, user, principal, upn string) bot.Link {
	tenant := "T0CONTOSO"
	if p == bot.Teams {
		tenant = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	}
	return bot.Link{User: bot.User{Platform: p, Tenant: tenant, ID: user}, Principal: pim.Principal{ID: principal, Name: "canary name", UPN: upn}, Tenant: "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70", Linked: time.Now(), Told: true}
}

// One person's links end, and everybody's, by the process that serves and without one, and the
// trail names the account that did it.
func TestLinksRevoke(t *testing.T) {
	for _, serving := range []bool{false, true} {
		t.Run(map[bool]string{false: "nobody serves", true: "while it serves"}[serving], func(t *testing.T) {
			d := newData(t)
			d.linkPeople(linkOf(bot.Slack, "UALICE", alice, "alice@contoso.example"), linkOf(bot.Teams, alice, alice, "alice@contoso.example"),
				linkOf(bot.Slack, "UBOB", bob, "bob@contoso.example"), linkOf(bot.Teams, bob, bob, "bob@contoso.example"))
			if serving {
				d.serves()
			}
			if out, _ := d.links(exitOK, "list"); strings.Count(out, " yes") != 4 {
				t.Fatalf("before:\n%s", out)
			}
			if _, said := d.links(exitRefused, "revoke", "UCAROL"); !strings.Contains(said, "nobody is linked by that name") {
				t.Errorf("an unknown name: %s", said)
			}
			out, _ := d.links(exitOK, "revoke", "--json", "UALICE")
			lines := strings.Split(strings.TrimSpace(out), "\n")
			var first struct {
				Link struct{ Principal, UPN string } `json:"link"`
			}
			if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 2 || first.Link.Principal != alice || first.Link.UPN != "alice@contoso.example" {
				t.Errorf("%v: %s", err, out)
			}
			if out, _ := d.links(exitOK, "list"); strings.Contains(out, alice) || strings.Count(out, " yes") != 2 {
				t.Errorf("after Alice's:\n%s", out)
			}
			if _, said := d.links(exitRefused, "revoke-all"); !strings.Contains(said, "nothing was done") { // nobody answers on this terminal
				t.Errorf("unasked: %s", said)
			}
			if out, _ := d.links(exitOK, "revoke-all", "--yes"); !strings.Contains(out, "unlinked slack user UBOB from bob@contoso.example ("+bob+")") ||
				!strings.Contains(out, "1 sign-ins were forgotten") || !strings.Contains(out, "2 links ended") {
				t.Errorf("everybody's: %s", out)
			}
			if out, _ := d.links(exitOK, "revoke-all", "--yes"); !strings.Contains(out, "0 links ended") {
				t.Errorf("again: %s", out)
			}
			if out, _ := d.links(exitOK, "list"); strings.Count(out, "\n") != 1 {
				t.Errorf("after everybody's:\n%s", out)
			}
			trail, _ := d.audit(exitOK, "export", "--format", "jsonl")
			for _, want := range []string{`"links revoke"`, `"links revoke-all"`, "person.unlinked", "person.sign-in-ended", "revoked by an operator"} {
				if !strings.Contains(trail, want) {
					t.Errorf("the trail lacks %s", want)
				}
			}
			for line := range strings.Lines(trail) {
				if strings.Contains(line, "person.unlinked") && (!strings.Contains(line, `"operator"`) || !strings.Contains(line, "@")) {
					t.Errorf("not by an operator's account: %s", line)
				}
			}
		})
	}
}

// serves runs Belay on the data until the test ends.
func (d data) serves() {
	d.t.Helper()
	ctx, stop := context.WithCancel(d.t.Context())
	code := make(chan int, 1)
	var log lockedBuffer
	go func() { code <- run(ctx, []string{"serve", "--config", d.file}, nil, io.Discard, &log) }()
	d.t.Cleanup(func() {
		stop()
		if got := <-code; got != exitOK {
			d.t.Errorf("the stop exits %d; log:\n%s", got, log.String())
		}
	})
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(log.String(), "Belay serves") {
		if time.Now().After(deadline) {
			d.t.Fatalf("not ready; log:\n%s", log.String())
		}
	}
}

func TestOnlyYesIsYes(t *testing.T) {
	for answer, want := range map[string]bool{"yes\n": true, " yes \n": true, "": false, "yes": false, "y\n": false, "no\n": false, "YES\n": false} {
		var asked bytes.Buffer
		if got := confirmed(strings.NewReader(answer), &asked, "Everybody?"); got != want || !strings.Contains(asked.String(), "Everybody?") {
			t.Errorf("%q: %t, asked %q", answer, got, asked.String())
		}
	}
}
