package pimtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// loadWorld reads the world of file; a file that is not there, or no file, is a
// new world.
func loadWorld(file string) (w *world, loaded bool, err error) {
	w = newWorld()
	if file == "" {
		return w, false, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return w, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if err := json.Unmarshal(b, w); err != nil {
		return nil, false, fmt.Errorf("the world in %s cannot be read: %w", file, err)
	}
	if w.Version != worldVersion {
		return nil, false, fmt.Errorf("the world in %s has version %d, not %d", file, w.Version, worldVersion)
	}
	w.name()
	return w, true, nil
}

// name gives its kind to what was kept when there were directory roles only, and
// its request to an activation of that time.
func (w *world) name() {
	kind := func(k *string) {
		if *k == "" {
			*k = kindRole
		}
	}
	for _, e := range w.Eligibilities {
		kind(&e.Kind)
	}
	for _, a := range w.Assignments {
		kind(&a.Kind)
		if a.Activated && a.Request == "" {
			a.Request = a.ID
		}
	}
	for _, r := range w.Requests {
		kind(&r.Kind)
	}
	for i := range w.Log {
		kind(&w.Log[i].Kind)
	}
}

// save keeps the world when it changed. The new file is complete before it takes
// the old one's place, so a process killed at any moment leaves one or the other.
func (t *Tenant) save() error {
	if !t.w.dirty || t.opt.File == "" {
		t.w.dirty = false
		return nil
	}
	b, err := json.MarshalIndent(t.w, "", " ")
	if err != nil {
		return fmt.Errorf("pimtest: keeping the world: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(t.opt.File), ".world-*") // mode 0600
	if err != nil {
		return fmt.Errorf("pimtest: keeping the world: %w", err)
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), t.opt.File)
	}
	if err != nil {
		return fmt.Errorf("pimtest: keeping the world: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	t.w.dirty = false
	return nil
}
