package slack

import "fmt"

// What the adapter itself has to say about cards and forms. Everything about
// requests is said by bot.
const wordTick = "I acknowledge this"

// leftOut says how many cards there was no room for.
func leftOut(n int) string {
	return fmt.Sprintf("… and %d more, for which there is no room here. Type /elevate status or /elevate approvals.", n)
}
