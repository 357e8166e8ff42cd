package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/trail"
)

// What bot keeps, under the names that it keeps it by. The store's own check, run over a
// seeded store, says whether they are still right.
var (
	requests = store.NewBucket[bot.Request]("requests")
	due      = store.NewBucket[struct{}]("due")
	people   = store.NewBucket[struct{}]("people")
	held     = store.NewBucket[string]("held")
	links    = store.NewBucket[bot.Link]("links")
	linkedBy = store.NewBucket[string]("links-by-principal")
)

// seeder writes into a store what Belay would have written.
type seeder struct {
	file  *bolt.Store
	store store.Store
	keys  *store.Keyset
}

// seed opens the store of a data directory.
func seed(ctx context.Context, dir string) (*seeder, error) {
	keys, err := store.LoadOrCreateKeyFile(filepath.Join(dir, "belay.keys"))
	if err != nil {
		return nil, err
	}
	file, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
	if err != nil {
		return nil, err
	}
	s := &seeder{file: file, keys: keys}
	sealed := trail.Recording(store.Seal(file, keys))
	if err = store.CheckKeys(ctx, sealed); err == nil {
		s.store, err = store.Migrate(ctx, sealed, bot.Migrations()...)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

// checked closes the store after it was verified as `belay store verify` does.
func (s *seeder) checked(ctx context.Context) error {
	err := store.Verify(ctx, s.store, func(tx store.Tx, report func(error)) error {
		for _, fault := range bot.Check(tx) {
			report(fault)
		}
		return nil
	})
	return errors.Join(err, s.file.Close())
}

func approver(n int) pim.Principal {
	return pim.Principal{ID: guid('a', n), Name: fmt.Sprintf("Approver %d", n), UPN: fmt.Sprintf("approver%d@contoso.example", n)}
}

func slackUser(n int) bot.User {
	return bot.User{Platform: bot.Slack, Tenant: slackTeam, ID: fmt.Sprintf("U%06d", n), Name: fmt.Sprintf("approver%d", n)}
}

func slackDirect(n int) bot.Conversation {
	return bot.Conversation{Platform: bot.Slack, Tenant: slackTeam, ID: fmt.Sprintf("D%06d", n), Private: true}
}

// link binds every approver to their account in both chats.
func (s *seeder) link(ctx context.Context) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		for n := range approvers {
			for _, u := range []bot.User{slackUser(n), {Platform: bot.Teams, Tenant: tenantID, ID: guid('a', n)}} {
				l := bot.Link{User: u, Principal: approver(n), Tenant: tenantID, Linked: time.Now().UTC(), Told: true}
				if u.Platform == bot.Slack {
					l.Direct = slackDirect(n)
				}
				key := s.keys.Pseudonym("chat user", string(u.Platform), u.Tenant, u.ID)
				if err := errors.Join(links.Put(tx, key, l),
					linkedBy.Put(tx, s.keys.Pseudonym("linked principal", strings.ToLower(l.Principal.ID))+"/"+key, key)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// projection is that of a Belay without notices.
var projection = bot.Projection{Portal: "https://entra.microsoft.com", SignIn: func(string) string { return "" }, WarnBefore: 10 * time.Minute}

// specimen is a request as it stands once everybody was told of it: pending, or with its
// whole life behind it.
func specimen(over bool, at time.Time) (bot.Request, error) {
	requester := bot.Person{Principal: pim.Principal{ID: guid('b', 0), Name: "Requester 0", UPN: "requester0@contoso.example"},
		User:   bot.User{Platform: bot.Slack, Tenant: slackTeam, ID: "U9000000", Name: "requester0"},
		Direct: bot.Conversation{Platform: bot.Slack, Tenant: slackTeam, ID: "D9000000", Private: true}, Zone: "Europe/London"}
	role := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: roleID, Scope: "/"}, RoleName: "User Administrator", ScopeName: "Directory"}
	policy := pim.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true, Approvers: []pim.Principal{approver(0), approver(1), approver(2)}}
	reach := make([]bot.Reach, 3)
	for n := range reach {
		reach[n] = bot.Reach{Principal: guid('a', n), At: []bot.Conversation{slackDirect(n)}}
	}
	events := []bot.Event{
		bot.Asked{ID: "01890000-0000-7000-8000-000000000000", Requester: requester, Role: role, Policy: policy, Intent: "01890000-0000-7000-8000-000000000001", SignedIn: true,
			Ask: bot.Ask{Duration: 2 * time.Hour, Justification: "Reset the password of a locked-out colleague, ticket 4711", Ticket: pim.Ticket{Number: "4711", System: "ServiceNow"}}},
		bot.Sending{Intent: "01890000-0000-7000-8000-000000000001"},
		bot.Accept{Intent: "01890000-0000-7000-8000-000000000001"},
		bot.Observed{Request: &pim.Request{ID: guid('c', 0), Approval: guid('c', 0), Status: "PendingApproval"}},
		bot.Routed{Reach: reach},
	}
	var r bot.Request
	apply := func(events ...bot.Event) (err error) {
		for _, e := range events {
			if r, err = bot.Apply(r, at, e); err != nil {
				return err
			}
		}
		return shown(&r, at)
	}
	if err := apply(events...); err != nil || !over {
		return r, err
	}
	until := at.Add(2 * time.Hour)
	err := apply(
		bot.Intended{ID: "01890000-0000-7000-8000-000000000002", Kind: bot.ToApprove, By: bot.Person{Principal: approver(0), User: slackUser(0), Direct: slackDirect(0)}, SignedIn: true,
			Reason: "Approved in Slack through Belay.", Told: []bot.Told{{User: slackUser(0), At: slackDirect(0)}}},
		bot.Sending{Intent: "01890000-0000-7000-8000-000000000002"},
		bot.Accept{Intent: "01890000-0000-7000-8000-000000000002"},
		bot.Observed{Stage: &pim.Stage{Result: pim.Approved, Reviewer: approver(0), Justification: "Approved in Slack through Belay."}},
		bot.Observed{Read: true, Instance: &pim.Instance{Start: at, End: until, Activated: true}})
	if err == nil {
		at = until.Add(time.Minute)
		err = apply(bot.Observed{Read: true}, bot.Observed{Read: true})
	}
	return r, err
}

// shown records every card as it is wanted now.
func shown(r *bot.Request, at time.Time) error {
	for _, w := range projection.Wanted(*r, at) {
		text, err := json.Marshal(w.Card)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		next, err := bot.Apply(*r, at, bot.Showed{Slot: w.Slot, Shown: bot.Shown{Message: bot.Message{Conversation: w.At, ID: "1790000000.000001"}, Digest: hex.EncodeToString(sum[:12])}})
		if err != nil {
			return err
		}
		*r = next
	}
	return nil
}

// requestID is that of the n-th request, ordered by time as Belay's are.
func requestID(n int64) string {
	return fmt.Sprintf("0189%04x-%04x-7000-8000-000000000000", n>>16, n&0xffff)
}

// pending stores so many requests that wait for approval, for whom nothing is due soon.
// Microsoft's id of each is what microsoft gives.
func (s *seeder) pending(ctx context.Context, most int, microsoft func(n int) string, requester func(n int) string) error {
	now := time.Now().UTC()
	one, err := specimen(false, now)
	if err != nil {
		return err
	}
	one.ObserveAt = now.Add(3 * time.Hour)
	one.Wake = one.ObserveAt
	for from := 0; from < most; from += 2000 {
		err := s.store.Update(ctx, func(tx store.Tx) error {
			for n := from; n < min(most, from+2000); n++ {
				r := one
				r.ID, r.Held.ID = requestID(int64(n)), microsoft(n)
				r.Held.Approval, r.Requester.ID = r.Held.ID, requester(n)
				r.Approvers = []pim.Principal{approver(n % approvers), approver((n + 1) % approvers), approver((n + 2) % approvers)}
				r.Reach = slices.Clone(one.Reach)
				if err := s.put(tx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// put stores a request with its indices.
func (s *seeder) put(tx store.Tx, r bot.Request) error {
	keep := requests.Put
	if r.State.Final() && r.Wake.IsZero() {
		keep = requests.Pack
	}
	if err := keep(tx, r.ID, r); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(string(r.Role.Kind) + "\x00" + strings.ToLower(r.Held.ID)))
	if err := held.Put(tx, hex.EncodeToString(sum[:]), r.ID); err != nil {
		return err
	}
	if !r.Wake.IsZero() {
		if err := due.Put(tx, dueKey(r.Wake, r.ID), struct{}{}); err != nil {
			return err
		}
	}
	if r.State.Final() {
		return nil
	}
	part := func(principal, part string) error {
		return people.Put(tx, s.part(principal, part)+r.ID, struct{}{})
	}
	err := part(r.Requester.ID, "asks")
	for _, a := range r.Approvers {
		err = errors.Join(err, part(a.ID, "decides"))
	}
	return err
}

// part is what an entry of the people index begins with.
func (s *seeder) part(principal, part string) string {
	return s.keys.Pseudonym("principal", strings.ToLower(principal)) + "/" + part + "/"
}

// dueKey is the key of an entry of the due index.
func dueKey(at time.Time, id string) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.UnixNano())) //nolint:gosec // after 1970
	return hex.EncodeToString(b[:]) + "/" + id
}

// finished stores requests that are over, from one number on.
func (s *seeder) finished(ctx context.Context, from, most int) error {
	one, err := specimen(true, time.Now().UTC().Add(-24*time.Hour))
	if err != nil {
		return err
	}
	if !one.State.Final() {
		return fmt.Errorf("the specimen is %s", one.State)
	}
	one.Wake, one.ObserveAt = time.Time{}, time.Time{}
	for at := from; at < most; at += 5000 {
		err := s.store.Update(ctx, func(tx store.Tx) error {
			for n := at; n < min(most, at+5000); n++ {
				r := one
				r.ID, r.Held.ID = requestID(int64(n)), guid('d', n)
				r.Held.Approval, r.Requester.ID = r.Held.ID, guid('b', n%10000)
				if err := s.put(tx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// size is the length of a file.
func size(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}
