package pim

import "time"

// SignIn is one interactive sign-in as Entra's log tells it.
type SignIn struct {
	ID      string
	At      time.Time
	Person  string // object id
	App     string // what was signed in to
	IP      string
	Country string // two letters, or a name; empty: the log does not tell
	City    string
	Device  string // operating system and browser
	Failed  bool   // or was broken off
}

// AccountChange is one line of the directory's audit log about an account.
type AccountChange struct {
	ID      string
	At      time.Time
	Account string    // object id
	What    string    // as Microsoft calls it, such as "Reset user password"
	By      Principal // without an ID: no person
	App     string    // the application that did it, where it was one
	Changed []string  // names of what was changed; never values
}
