package slacktest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// kept is everything of a workspace that outlives the process.
type kept struct {
	Revision   uint64                `json:"revision"`
	Serial     uint64                `json:"serial"`
	LastMicros int64                 `json:"last_micros"`
	Revoked    bool                  `json:"revoked"` // the app was uninstalled
	Users      map[string]User       `json:"users"`
	Channels   map[string]Channel    `json:"channels"`
	Messages   map[string][]*Message `json:"messages"` // by channel
	Views      []*View               `json:"views"`
	Homes      map[string]*View      `json:"homes"` // by user
	Notices    map[string]Notice     `json:"notices"`
	Responses  map[string]*response  `json:"response_urls"` // by path
	Codes      map[string]*grant     `json:"codes"`
	Sessions   map[string]grant      `json:"sessions"` // by access token
	Key        []byte                `json:"key"`      // PKCS #1, signs id tokens

	key *rsa.PrivateKey
}

func newKept() kept {
	return kept{
		Users:     make(map[string]User),
		Channels:  make(map[string]Channel),
		Messages:  make(map[string][]*Message),
		Homes:     make(map[string]*View),
		Notices:   make(map[string]Notice),
		Responses: make(map[string]*response),
		Codes:     make(map[string]*grant),
		Sessions:  make(map[string]grant),
	}
}

// load reads the file, if there is one.
func (w *Workspace) load() error {
	if w.opts.File == "" {
		return nil
	}
	b, err := os.ReadFile(w.opts.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("slacktest: the kept workspace cannot be read: %w", err)
	}
	k := newKept()
	if err := json.Unmarshal(b, &k); err != nil {
		return fmt.Errorf("slacktest: the kept workspace %s is damaged; move it away to begin anew: %w", w.opts.File, err)
	}
	if len(k.Key) > 0 {
		if k.key, err = x509.ParsePKCS1PrivateKey(k.Key); err != nil {
			return fmt.Errorf("slacktest: the key in the kept workspace %s is damaged; move the file away to begin anew: %w", w.opts.File, err)
		}
	}
	w.kept = k
	return nil
}

// save writes the file: a new file beside it, then a rename, so that a process
// killed in between leaves the old one whole. Under the lock.
func (w *Workspace) save() error {
	if w.opts.File == "" {
		return nil
	}
	w.prune()
	b, err := json.Marshal(w.kept)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(w.opts.File), ".workspace-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), w.opts.File)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// prune forgets what can no longer be used. Under the lock.
func (w *Workspace) prune() {
	old := w.opts.Now().Add(-24 * time.Hour)
	for path, r := range w.kept.Responses {
		if r.Made.Before(old) {
			delete(w.kept.Responses, path)
		}
	}
	for code, g := range w.kept.Codes {
		if g.At.Before(old) {
			delete(w.kept.Codes, code)
		}
	}
}

// signingKey is the key of id tokens, made at first use. Under the lock.
func (w *Workspace) signingKey() (*rsa.PrivateKey, error) {
	if w.kept.key == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		w.kept.key, w.kept.Key = key, x509.MarshalPKCS1PrivateKey(key)
	}
	return w.kept.key, nil
}
