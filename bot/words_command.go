package bot

import (
	"fmt"
	"strings"
	"time"
)

const sayHelp = "/elevate: choose a role and ask for it\n" +
	"/elevate <role> <duration> <reason>: the same with the form filled in, for example /elevate User Administrator 1h reset a password\n" +
	"/elevate again: the form as you sent it last\n" +
	"/elevate save <name>: keep what you asked for last; /elevate <name> opens it, /elevate saved lists it, /elevate forget <name> drops it\n" +
	"/elevate status: your requests and active roles\n" +
	"/elevate stop: deactivate a role before its time\n" +
	"/elevate approvals: what waits for your decision\n" +
	"/elevate reviews: the access reviews that wait for you\n" +
	"/elevate home: all of that on one page, with what you can activate\n" +
	"/elevate posture, /elevate checklist, /elevate drift: what is weak in the tenant, and what changed, for those who may see it\n" +
	"/elevate link, /elevate unlink: bind or forget your Microsoft sign-in\n" +
	"/elevate help: this text"

func sayBadDuration(text string) string {
	return fmt.Sprintf("%q is not a time Belay understands. Write hours and minutes, for example 30m, 1h or 1h30m.", cut(text, 40))
}

func sayTooLong(max time.Duration) string {
	return fmt.Sprintf("This role allows %s at the most.", sayDuration(max))
}

const sayTooShort = "Microsoft accepts five minutes at the least."

func sayNoMatch(query string) string {
	return fmt.Sprintf("You are not eligible for a role that is called %q. Choose one of these instead, or type /elevate help.", cut(query, 60))
}

func saySeveral(query string) string {
	return fmt.Sprintf("Several of your roles match %q. Choose the one you mean.", cut(query, 60))
}

func sayTooLongText(max int) string {
	return fmt.Sprintf("Please use %d characters at the most; this is longer.", max)
}

const (
	sayNeedReason = "This role wants to know why."
	sayNeedTicket = "This role wants a ticket number."
	sayNeedRole   = "Choose a role."
	sayDenyReason = "Say why, so that the requester knows what to change."
)

// cut shortens a text to that many runes, the last of which then is an ellipsis.
func cut(s string, runes int) string {
	r := []rune(s)
	if len(r) <= runes {
		return s
	}
	return strings.TrimRight(string(r[:runes-1]), "\u200d") + "…" // a joiner joins two
}

// A person's own page.
const (
	homeDecide = "Waiting for your decision"
	homeActive = "Your roles and requests"
	homeRoles  = "What you can activate"

	sayNoMenuNow   = "Microsoft is not telling just now what you are eligible for. Open this page again in a minute."
	saySessionOver = "Your sign-in has ended. Sign in again to see what you can activate."
)

func sayWaiting(n int) string {
	if n == 1 {
		return "1 request waits for you."
	}
	return fmt.Sprintf("%d requests wait for you.", n)
}

func sayMoreRoles(n int) string {
	return fmt.Sprintf("%d more: choose from the whole list, or type /elevate and a part of the name.", n)
}
