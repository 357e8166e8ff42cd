package main

import "context"

// postureChapter is how the tenant stands, as whoever may see it is told in chat. Carol is
// linked. A Belay that is killed while it reads does not answer later.
func (s *sandbox) postureChapter(carol, dave person) []step {
	hers := s.slack.DM(carol.Slack)
	types := func(ctx context.Context, text string, words ...string) error {
		for range 5 { // where Microsoft is busy she is told so, and asks again
			if s.slackShows(hers, words...) {
				return nil
			}
			if _, err := s.slack.Command(ctx, carol.Slack, hers, "/elevate", text); err != nil {
				return err
			}
			wait, cancel := context.WithTimeout(ctx, stepTime/6)
			err := s.slackWaits(wait, hers, words...)
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
		return s.slackWaits(ctx, hers, words...)
	}
	// Each number stands beside that of a week before.
	standing := []string{"Posture of the tenant", "HIGH: 2 standing assignments of the most privileged roles", "belay posture lists all", "Can be Global Administrator", " on 20"}
	return []step{
		{"Carol, who may see it, asks how the tenant stands", func() bool { return s.slackShows(hers, standing...) },
			func(ctx context.Context) error { return types(ctx, "posture", standing...) }},
		{"the checklist answers ten questions, with evidence", nil,
			func(ctx context.Context) error {
				return types(ctx, "checklist", "The checklist for PIM", "YES:", "NO:")
			}},
		{"Dave may not see it, and is told why", nil,
			func(ctx context.Context) error {
				if _, err := s.teams.Message(ctx, dave.Key, "", "posture", false); err != nil {
					return err
				}
				return s.teamsWaits(ctx, dave.Key, "", "You may not see what is weak in this tenant")
			}},
	}
}
