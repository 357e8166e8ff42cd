package bot

import (
	"context"
	"errors"
	"strings"

	"github.com/belaybot/belay/pim"
)

// hearTries is how often a group or a person is looked up before a notice goes on without.
const hearTries = 10

func (b *Bot) owesHearers(r Request) bool {
	return b.project.owesGroups(r) || len(b.project.owesNamed(r)) > 0
}

// hear finds out what the rules of notices ask for besides the request itself: groups that
// the requester is a member of, and where people can be told directly.
func (b *Bot) hear(ctx context.Context, r Request) (Request, error) {
	again := b.o.Now().UTC().Add(backoff(r.HearTries))
	if b.project.owesGroups(r) {
		in, all := b.memberships(ctx, r.Requester.ID, r.HearTries+1 >= hearTries)
		e := Belongs{Groups: in}
		if !all {
			e.Again = again
		}
		return b.change(ctx, r.ID, e)
	}
	e := Located{}
	for _, id := range b.project.owesNamed(r) {
		at, all := b.findPerson(ctx, id)
		if !all && r.HearTries+1 < hearTries {
			e.Again = again
			continue
		}
		e.Reach = append(e.Reach, Reach{Principal: id, At: at})
	}
	return b.change(ctx, r.ID, e)
}

// identified asks the directory who somebody is. Where it asks to be left alone for a moment
// it is asked again: whatever is said of them is said once.
func (b *Bot) identified(ctx context.Context, id string) (who pim.Principal, err error) {
	err = patiently(ctx, func() error {
		who, err = b.o.Directory.Principal(ctx, id)
		return err
	})
	return who, err
}

// findPerson finds where a person whom a rule names can be told something directly. all is
// false when a later look may find more; that they cannot be reached is told to the operator.
func (b *Bot) findPerson(ctx context.Context, id string) (at []Conversation, all bool) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	who, err := b.identified(ctx, id)
	if err == nil {
		at, all, err = b.reach(ctx, who)
	} else if code := pim.CodeOf(err); code == pim.CodeNotFound || code == pim.CodeForbidden {
		all = true
	}
	if err != nil || all && len(at) == 0 {
		b.o.Log.Warn("a person who is to be told something cannot be reached in chat", "principal", id, "error", err)
	}
	return at, all
}

// memberships are the groups of the rules in which a person is. One that Belay may not read
// has no members for it, and so has, at the last look, one that cannot be read: rules that
// ask for it take nothing. all is false when a later look may find more.
func (b *Bot) memberships(ctx context.Context, person string, last bool) (in []string, all bool) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	all = true
	for _, group := range b.o.Notices.Groups() {
		members, err := []string(nil), error(&pim.Error{Op: "read a group's members", Code: pim.CodeForbidden})
		if b.o.Members != nil {
			members, err = b.o.Members(ctx, group)
		}
		var e *pim.Error
		switch {
		case err == nil && containsFold(members, person):
			in = append(in, strings.ToLower(group))
		case err == nil:
		case !last && (!errors.As(err, &e) || e.Temporary()):
			all = false
		default:
			b.unread(group, err)
		}
	}
	return in, all
}

// unread tells the operator once that a group of the rules cannot be read.
func (b *Bot) unread(group string, err error) {
	b.mu.Lock()
	told := b.blind[group]
	b.blind[group] = true
	b.mu.Unlock()
	if !told {
		b.o.Log.Warn("a group that a rule of notices asks for cannot be read; such rules take nothing", "id", group, "error", err)
	}
}
