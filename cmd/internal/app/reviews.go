package app

import (
	"fmt"
	"slices"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

// Reviews say whether reviewers decide in chat; docs/reviews.md tells of it.
type Reviews struct {
	Enabled      bool     `koanf:"enabled" default:"false" doc:"Have reviewers of Microsoft's access reviews told, reminded, and decide in chat with their own sign-in. People's sign-ins then ask for one more permission, to which an administrator has to agree first: belay init --access-reviews."`
	RemindBefore []string `koanf:"remind_before" default:"72h,24h" doc:"How long before a review ends its reviewers are reminded, if somebody is still to be decided about. At most 5. Empty: they are not."`
	Nudge        bool     `koanf:"nudge" default:"false" doc:"Tell the channels of security once a quarter which privileged roles nobody reviews. It takes posture.daily."`
}

const mostReminders = 5

func (v *validator) reviews(r Reviews) {
	v.check("reviews.remind_before", len(r.RemindBefore) <= mostReminders, "must be 5 at the most")
	for n, text := range r.RemindBefore {
		d, err := time.ParseDuration(text)
		v.check(fmt.Sprintf("reviews.remind_before[%d]", n), err == nil && d >= time.Hour && d <= 720*time.Hour, "must be a time such as 72h, between 1h and 720h")
	}
}

// remind is when reviewers are reminded, the first time before the others.
func (r Reviews) remind() (all []time.Duration) {
	for _, text := range r.RemindBefore {
		if d, err := time.ParseDuration(text); err == nil && !slices.Contains(all, d) { // checked at the start
			all = append(all, d)
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all
}

// Features are those whose permissions people's sign-ins ask for.
func (c Config) Features() (on []pim.Feature) {
	if c.Reviews.Enabled {
		on = append(on, pim.AccessReviews)
	}
	return on
}

// accessReviews are what the bot reviews with; nil: they are not answered.
func (c Config) accessReviews(roles *graph.Client) bot.AccessReviews {
	if !c.Reviews.Enabled {
		return nil
	}
	return roles.AccessReviews()
}
