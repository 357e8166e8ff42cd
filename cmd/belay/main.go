// Command belay is the product.
//
//	belay serve --config FILE   serve Slack, Teams and the sign-in pages
//	belay doctor --config FILE  look at what Belay needs; changes nothing
//	belay init DIR              write what administrators install
//	belay links …               who is linked: list, revoke, revoke-all
//	belay keys …                the keys that seal the store: list, rotate, prune, wrap, unwrap
//	belay audit …               verify, export, reconcile and erase the audit trail
//	belay store …               back up, restore, verify, copy to PostgreSQL
//	belay posture --config FILE the tenant read: what is weak, and how it is mended
//	belay checklist --config FILE the checklist for PIM, answered with evidence
//	belay drift …               what is not as it was accepted: show, export, history
//	belay version               say which version this is
//
// Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 3 the
// configuration, the key file, its vault, the store or the command's input was refused: nothing was
// changed; 4 a check was made and its answer is no: the audit trail was tampered with, or it
// and Entra's log differ, or the store is damaged.
//
// Of posture and checklist: 0 nothing at or above --fail-on (every answer is yes); 4 findings
// at or above it (an answer is no); 5 none of these, but something could not be seen; 1 failed.
//
// Of drift show: 4 something waits to be accepted; 5 nothing does, but something could not
// be seen.
//
// Of doctor: 0 sound, though there may be warnings; 1 something must be mended; 3 the
// configuration was refused, and nothing else was looked at.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
