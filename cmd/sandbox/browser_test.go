package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/belaybot/belay/pim/pimtest"
)

// TestStoryByHand lives the whole story in a browser, with a mouse and a
// keyboard, on the page that a newcomer opens. Screenshots of its stages are left
// in the directory that TEST_ARTIFACTS names.
func TestStoryByHand(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a while")
	}
	s := startSandbox(t)
	page := openBrowser(t)
	page.goTo(s.urls[atPage])
	page.reads("#tour .say", "In Slack you are Alice")
	page.shot("01-opened")

	// Alice links her account: Slack says who she is there, Entra who she is here.
	page.click("#tour .show", "Show me where") // it points, and does nothing
	page.press("/elevate" + kb.Enter)
	page.reads("#slack .messages", "Sign in with Microsoft")
	page.reads("#tour .say", "Press Sign in")
	page.shot("02-asked-to-sign-in")
	tab := page.tabOf(func() { page.click("#slack .messages a", "Sign in") })
	tab.shot("03-belays-own-page")
	tab.click("button", "Continue")
	tab.reads("h1", "Slack")
	tab.click("label", "Alice Adams")
	tab.shot("04-slack-asks-who")
	tab.click("button", "Allow")
	tab.reads("body", "simulated Microsoft Entra")
	tab.click("label", "Alice Adams")
	tab.shot("05-entra-asks-who")
	tab.click("button", "Next")
	tab.reads("main", "Approve the sign-in on your phone")
	tab.shot("06-entra-asks-for-mfa")
	tab.click("button", "Approve on the phone")
	tab.reads("body", "You are signed in")
	tab.shot("07-signed-in")
	tab.close()
	page.reads("#slack .messages", "You are linked")
	page.ticked(1)

	// She chooses the role in Slack's modal; the form grows with its policy.
	page.click("#slack .messages button", "Choose a role")
	page.reads("dialog[open]", "Roles you are eligible for")
	page.shot("08-choose-a-role")
	page.click("dialog select", "")
	page.press(kb.Escape) // closes the list of the select, not the modal
	page.press("User")
	page.reads("dialog[open]", "User Administrator needs approval by Bob Brown, Carol Clark or Frank Fox")
	page.click("dialog [type=submit]", "Send")
	page.reads("dialog[open] [role=alert]", "required")
	page.shot("09-why-is-missing")
	page.click("dialog textarea", "")
	page.press("A colleague cannot sign in: reset the password. ")
	page.press(kb.Tab)
	page.shot("10-filled-in")
	page.click("dialog [type=submit]", "Send")
	page.reads("#slack .messages", "User Administrator waits for approval")
	page.ticked(2)
	page.press(kb.Escape) // what the modal says last is read
	page.gone("dialog[open]")

	// Bob has never signed in: his first Approve is an intent, the sign-in makes it
	// a decision.
	page.reads("#tenant .pending", "Alice Adams, for 1 h")
	page.reads("#slack .person[data-person=U0CAROL] .badge", "1") // she has the card as well
	page.reads("#teams .messages", "Alice Adams asks for User Administrator")
	page.shot("11-bob-has-the-card")
	page.click("#teams .messages button", "Open in Entra") // leaves this machine, so it does not open
	page.reads("#teams .notice", "In a real tenant this opens entra.microsoft.com")
	page.click("#teams .messages button", "Approve")
	page.reads("#teams .messages", "Sign in to finish")
	page.shot("12-bob-has-to-sign-in")
	page.tabOf(func() { page.click("#teams .messages button", "Sign in") }).signIn(cast[1])

	// Every card turns true, Alice is told, and the audit log names Bob.
	page.reads("#slack .messages", "User Administrator is active")
	page.reads("#teams .messages", "You approved")
	page.reads("#tenant .active", "User Administrator")
	page.ticked(4)
	approval := auditLine(t, s, "request approved")
	if approval.Actor != cast[1].OID || approval.ActorKind != "user" {
		t.Errorf("the approval was written by %s (%s), not by Bob", approval.Actor, approval.ActorKind)
	}
	page.reads("#tenant .audit li.user", "Bob Brown")
	page.reads("#tenant .tally", "0 by an application")
	page.shot("13-active")
	page.click("#slack .place[data-place=access-notices]", "")
	page.click("#teams .place[data-place=access-notices]", "")
	page.reads("#slack .messages", "User Administrator is active: Alice Adams")
	page.reads("#teams .messages", "User Administrator is active: Alice Adams")
	page.shot("14-channels-heard")
	page.dark(true)
	page.shot("15-dark")

	// Time goes by, the role ends, everybody is told.
	page.click("#tour .show", "Show me where")
	page.press(kb.Enter)
	page.reads("#slack .messages", "User Administrator has ended: Alice Adams")
	page.reads("#teams .messages", "User Administrator has ended: Alice Adams")
	page.reads("#tenant .audit", "Remove member from role (PIM activation expired)")
	page.ticked(5)
	page.reads("#tour .say", "The role has ended")
	page.dark(false)
	page.click("#slack .place[data-place=Belay]", "")
	page.reads("#slack .messages", "User Administrator has ended")
	page.shot("16-ended")
	page.size(900, 1000)
	page.shot("17-narrow")
}

// What is new in the security channel before anybody did anything is explained, until it was
// looked at.
func TestNewsAtTheStartIsExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a while")
	}
	w := runWorld(t, t.TempDir(), manners{compares: true})
	w.alarmed("The first baseline of the tenant")
	page := openBrowser(t)
	page.goTo(w.urls[atPage])
	page.reads("#slack .person[data-person=U0FRANK] .badge", "1")
	page.reads("#tour .say", "already, for Frank and Bob, is how Belay found the tenant. It can wait.")
	page.shot("01-news-at-the-start")
	page.click("#teams .place[data-place=security-alerts]", "")
	page.click("#slack .person[data-person=U0FRANK]", "")
	page.click("#slack .place[data-place=security-alerts]", "")
	page.until("hear no more of it", `!document.querySelector("#tour .say").textContent.includes("already")`)
	page.reads("#tour .say", "In Slack you are Alice")
}

// TestFormsByHand goes where the story does not: a guest, more roles than a list
// holds, a form in Teams, a denial.
func TestFormsByHand(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a while")
	}
	const hostile = `<img src=x onerror=alert(1)> [audit](javascript:alert(1)) {{DATE(2026-01-01T00:00:00Z)}}`
	s := startSandbox(t)
	bob, dave := cast[1], cast[3]
	for n := range 120 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
		err := errors.Join(
			s.tenant.AddRole(pimtest.Role{ID: id, Name: fmt.Sprintf("Test Role %03d", n), Policy: pimtest.Policy{
				MaxDuration: 2 * time.Hour, Justification: true, Approval: true, Approvers: []string{bob.OID}, ApproverJustification: true}}),
			s.tenant.Eligible(dave.OID, id, "/", s.clock.Now().Add(-time.Hour), time.Time{}))
		if err != nil {
			t.Fatal(err)
		}
	}
	page := openBrowser(t)
	page.goTo(s.urls[atPage])

	// A guest is refused, and nobody else sees it.
	page.click("#slack [data-person=U0ERIN]", "")
	page.click("#slack .composer input", "")
	page.press("/elevate" + kb.Enter)
	page.reads("#slack .message.only", "Belay serves full members")
	page.shot("21-guest")
	page.press("hello" + kb.Enter)
	page.reads("#slack .notice.error", "slash commands only")

	// Dave finds one role of many in Teams, and learns what is missing.
	page.click("#teams [data-person=dave]", "")
	page.click("#teams .composer input[type=text]", "")
	page.press("/elevate" + kb.Enter)
	page.reads("#teams .messages", "Sign in with Microsoft")
	page.tabOf(func() { page.click("#teams .messages button", "Sign in") }).signIn(dave)
	page.click("#teams .messages button", "Choose a role")
	page.click("#teams .searched input", "")
	page.press("role 077")
	page.reads("#teams [role=option]:first-child", "Test Role 077")
	page.shot("22-searched-in-teams")
	page.press(kb.Enter)
	page.click("#teams .messages button", "Next")
	page.reads("#teams .messages", "needs approval by Bob Brown")
	page.click("#teams .messages button", "Send")
	page.reads("#teams .messages", "Please fill this in.")
	page.click("#teams .messages textarea", "")
	page.press(hostile)
	page.shot("23-form-in-teams")
	page.click("#teams .messages button", "Send")
	page.reads("#teams .messages", "Test Role 077 waits for approval")
	page.reads("#teams .messages", hostile)
	page.reads("#tenant .pending", hostile)

	// In a channel Belay hears only what mentions it.
	page.click("#teams .place[data-place=access-notices]", "")
	page.click("#teams .mention", "")
	page.click("#teams .composer input[type=text]", "")
	page.press("/elevate status" + kb.Enter)
	page.click("#teams .mention", "")
	page.click("#teams .composer input[type=text]", "")
	page.press("/elevate status" + kb.Enter)
	page.reads("#teams .message.reply", "Belay")
	page.shot("24-channel")

	// Bob denies it: his reason is asked for, and his own sign-in.
	page.reads("#teams .person[data-person=bob] .badge", "4") // the card, and three posts in the channel
	page.click("#teams [data-person=bob]", "")
	page.click("#teams .messages button", "Deny")
	page.reads("#teams .messages", "Deny the request")
	page.click("#teams .messages textarea", "")
	page.press("Not during the freeze")
	page.shot("25-why-not")
	page.click("#teams .messages button", "Deny")
	page.reads("#teams .messages", "Sign in to finish")
	page.tabOf(func() { page.click("#teams .messages button", "Sign in") }).signIn(bob)
	page.reads("#teams .messages", "You denied Test Role 077")
	page.reads("#tenant .audit li.decides", "request denied")

	// The same list in Slack's modal. Escape closes the list first.
	page.click("#slack [data-person=U0DAVE]", "")
	page.click("#slack .composer input", "")
	page.press("/elevate" + kb.Enter)
	page.tabOf(func() { page.click("#slack .messages a", "Sign in") }).signIn(dave)
	page.click("#slack .messages button", "Choose a role")
	page.click("dialog [data-external]", "")
	page.press("role 05")
	page.reads("dialog [role=option]:first-child", "Test Role 050")
	page.press(kb.Escape)
	page.gone("dialog .choices:not([hidden])")
	page.press(kb.ArrowDown)
	page.reads("dialog .choices:not([hidden]) [aria-selected=true]", "Test Role 050")
	page.shot("26-searched-in-slack")
	page.press(kb.ArrowDown + kb.Enter)
	page.reads("dialog", "Test Role 051 needs approval by Bob Brown")
	page.press(kb.Escape)
	page.gone("dialog[open]")
}

// startSandbox runs a sandbox of its own until the test ends.
func startSandbox(t *testing.T) *sandbox {
	t.Helper()
	s, err := open(t.TempDir(), "127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the sandbox ended badly: %v", err)
		}
	})
	return s
}

func auditLine(t *testing.T, s *sandbox, activity string) (found struct{ Actor, ActorKind string }) {
	t.Helper()
	for _, a := range s.tenant.Audit() {
		if a.ActorKind == "application" {
			t.Errorf("an application wrote %q", a.Activity)
		}
		if strings.Contains(a.Activity, activity) {
			found.Actor, found.ActorKind = a.Actor, a.ActorKind
		}
	}
	return found
}

// signIn walks all pages of a sign-in in the tab that opened, and closes it.
func (h *hand) signIn(who person) {
	h.t.Helper()
	h.click("button", "Continue")
	const slacks, microsofts = "form button[value=allow]", "form[action$='/signin/user']"
	h.until("be asked who one is", fmt.Sprintf("document.querySelector(%s)", quoted(slacks+", "+microsofts)))
	if h.shows(slacks) { // from Teams, one is at Microsoft's at once
		h.click("label", who.Name)
		h.click("button", "Allow")
	}
	h.reads("body", "simulated Microsoft Entra")
	h.click("label", who.Name)
	h.click("button", "Next")
	h.reads("body", "Approve the sign-in on your phone")
	h.click("button", "Approve on the phone")
	h.reads("body", "You are signed in")
	h.close()
}
