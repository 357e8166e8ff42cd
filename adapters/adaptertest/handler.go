package adaptertest

import (
	"context"
	"sync"
	"testing"

	"github.com/belaybot/belay/bot"
)

// script is the bot.Handler of the suite: it notes what arrives and answers what
// the running test told it to.
type script struct {
	mu     sync.Mutex
	got    []bot.Inbound
	answer func(bot.Inbound) (bot.Reply, bot.Later)
}

func (s *script) Handle(_ context.Context, in bot.Inbound) (bot.Reply, bot.Later) {
	s.mu.Lock()
	s.got = append(s.got, in)
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return bot.Reply{}, nil
	}
	return answer(in)
}

// answers has everything that is said from now on answered with r and later.
func (s *script) answers(r bot.Reply, later bot.Later) {
	s.answersWith(func(bot.Inbound) (bot.Reply, bot.Later) { return r, later })
}

func (s *script) answersWith(answer func(bot.Inbound) (bot.Reply, bot.Later)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// take returns what arrived since it was called last.
func (s *script) take() []bot.Inbound {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// one returns the only thing that arrived, as a T said by u.
func one[T bot.Said](t *testing.T, s *script, u bot.User) (bot.Inbound, T) {
	t.Helper()
	got := s.take()
	if len(got) != 1 {
		t.Fatalf("the handler was called %d times, want once: %+v", len(got), got)
	}
	in := got[0]
	said, ok := in.Said.(T)
	if !ok {
		t.Fatalf("the handler got %T, want %T", in.Said, *new(T))
	}
	if in.User.Platform != u.Platform || in.User.Tenant != u.Tenant || in.User.ID != u.ID {
		t.Errorf("the actor is %+v, want %+v", in.User, u)
	}
	if in.At.Platform != u.Platform || in.At.Tenant != u.Tenant {
		t.Errorf("said at %+v, want a conversation of %s %s", in.At, u.Platform, u.Tenant)
	}
	return in, said
}

// none fails if anything reached the handler.
func none(t *testing.T, s *script) {
	t.Helper()
	if got := s.take(); len(got) != 0 {
		t.Errorf("the handler was called with %+v, want nothing", got)
	}
}
