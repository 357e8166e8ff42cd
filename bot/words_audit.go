package bot

// What an operator is told of a difference between Belay's audit trail and Entra's
// audit log.
const (
	hintElsewhere      = "Made elsewhere: in the portal, on a phone or with a command line. Belay knows of it."
	hintUnknownRequest = "Belay knows no such request. It was made elsewhere, and was over before Belay saw it or needed nobody's approval; or it is older than what Belay keeps."
	hintUnknownStep    = "Belay knows the request, and not this step of it. Look at the request in Entra."
	hintNotInEntra     = "Belay recorded it, and Entra's audit log does not have it. If Entra's log is not merely late, the trail tells what did not happen."
)

func hintOtherActor(id string) string {
	return "Belay recorded that somebody else did this: " + id + "."
}

func hintOtherInEntra(id string) string {
	return "Entra's audit log says that somebody else did this: " + id + "."
}
