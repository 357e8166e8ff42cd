package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

func inOneFile(c app.Config) bool { return !c.Replicated() }
func hasVault(c app.Config) bool  { return c.Keys.VaultKey != "" }

func (v *visit) databaseFile() says {
	path := v.cfg.Database()
	err := v.database()
	var open *bolt.OpenError
	switch {
	case err == nil:
		return ok("it can be opened, and is of this version")
	case errors.Is(err, store.ErrWrongKeys):
		return fault("the keys of "+v.cfg.KeyFile()+" do not open it", "Put back the key file that was made with it. If it is that one, or nobody has it, move both away and restore a backup: belay store restore.")
	case errors.As(err, new(*store.SchemaError)):
		return fault("a newer Belay has changed it", "Start that version, or restore a backup from before the upgrade: belay store restore.")
	case errors.Is(err, fs.ErrNotExist):
		return ok("it is not there yet; belay serve makes it")
	case !errors.As(err, &open):
		return unsure("it cannot be looked at", "Ask as the account of Belay.")
	}
	switch open.Reason {
	case bolt.NoParent:
		return unsure("the data directory is not one", "Mend data.directory first.")
	case bolt.Held:
		if _, served, err := v.spool(); err == nil && served {
			return ok("a Belay serves from it")
		}
		return unsure("another process has it open, which does not answer commands", "Stop what uses "+path+" besides Belay; give data a shorter path if belay serve warned of its socket.")
	case bolt.ReadOnly:
		return fault("it cannot be written", "chmod 600 "+path)
	case bolt.Denied:
		return unsure("it may not be opened by the account that asks", "Ask as the account of Belay, which has to own it.")
	case bolt.Version:
		return fault("it was written by another version of Belay", "Start that version, or restore a backup of this one: belay store restore.")
	}
	return fault("it is no sound store of Belay: "+string(open.Reason), "Move "+path+" away and restore a backup: belay store restore.")
}

// owner looks whether the files are of the same account as the directory. A directory that others
// may enter says nothing of whose Belay is.
func (v *visit) owner() says {
	dir, err := os.Stat(v.cfg.Data)
	if err != nil {
		return ok("it is not there yet; belay serve makes it")
	}
	account, known := ownerOf(dir)
	if !known || others(dir) != 0 {
		return unsure("whose Belay is cannot be told here", "See that the account of Belay owns the data directory and the files in it.")
	}
	var foreign []string
	for _, path := range []string{v.cfg.Database(), v.cfg.KeyFile()} {
		if info, err := os.Stat(path); err == nil {
			if !ours(account, info) {
				foreign = append(foreign, path)
			}
		}
	}
	if len(foreign) > 0 {
		return fault("the data directory is the account's with number "+fmt.Sprint(account)+", and not so "+strings.Join(foreign, ", "),
			fmt.Sprintf("chown %d %s", account, strings.Join(foreign, " ")))
	}
	return ok("one account owns all of it")
}

// ours tells whether a file is as it should be for an account: its own, or handed over to it.
func ours(account uint32, info fs.FileInfo) bool {
	is, _ := ownerOf(info)
	return is == account || store.Handed(info)
}

func (v *visit) disk() says {
	kind, err := fileSystem(nearest(v.cfg.Data))
	if err != nil {
		return unsure("this system does not tell", "See that the data directory is on a disk of its own, and not on a network's file system.")
	}
	return kept(kind)
}

// kept is the verdict on a kind of file system. bbolt needs locks and memory maps that hold: see
// "Caveats & Limitations" of its documentation.
func kept(kind string) says {
	switch kind {
	case "nfs", "smb", "cifs", "9p":
		return fault("it is on a network's file system ("+kind+"), where two processes could write at once", "Give it a block device, or use PostgreSQL: store.postgres_url.")
	case "tmpfs", "overlay":
		return unsure("it is on "+kind+": if that is the layer of a container or memory, what is stored goes with it", "Mount a disk that stays at the data directory.")
	}
	return ok("it is on a disk of this machine")
}

// readersOf are those of a key file that is not exposed.
func readersOf(info fs.FileInfo) string {
	if store.Handed(info) {
		return "it was handed over: root and this group may read it"
	}
	return "only its owner may read it"
}

func (v *visit) keyContent(readers string) says {
	_, err := store.LoadKeyFile(v.cfg.KeyFile())
	var bad *store.KeyFileError
	switch {
	case err == nil && hasVault(v.cfg):
		return fault("it is not wrapped, although keys.vault_key is set", "belay keys wrap")
	case err == nil:
		return ok(readers)
	case !errors.As(err, &bad) || bad.Reason == store.KeyDenied:
		return unsure("it cannot be looked at", "Ask as the account of Belay.")
	case bad.Reason == store.KeyWrapped && hasVault(v.cfg):
		return ok(readers + ", and a vault wraps it")
	case bad.Reason == store.KeyWrapped:
		return fault("a vault wraps it, and none is configured", "Set keys.vault_key to the key that wrapped it.")
	case bad.Reason == store.KeyVersion:
		return fault("it was written by another version of Belay", "Start that version.")
	}
	return fault("it does not hold Belay's keys: "+string(bad.Reason), "Put the file "+v.cfg.KeyFile()+" back from your backup.")
}

func (v *visit) keyVault() says {
	_, err := v.vault()
	var file *store.KeyFileError
	switch {
	case err == nil:
		return ok("it opens the key file")
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &file):
		return unsure("there is no key file that it could open", "Mend data.keys first, if that is at fault.")
	}
	return fault(err.Error(), "docs/keys.md says how the vault is set up.")
}

// keysOpen looks whether the keys of the file are those that the database is sealed with.
func (v *visit) keysOpen() says {
	if v.offline && (hasVault(v.cfg) || v.cfg.Replicated()) {
		return notAsked
	}
	keys, err := v.vault()
	if errors.Is(err, fs.ErrNotExist) {
		return unsure("there is no key file to open it with", "Mend data.keys first, if that is at fault.")
	}
	if err != nil {
		return unsure("the keys could not be opened", "Mend data.keys and data.vault first, if one is at fault.")
	}
	if said := v.servedKeys(keys); said.verdict != Unknown {
		return said
	}
	switch err := v.database(); {
	case err == nil, errors.As(err, new(*store.SchemaError)):
		return ok("they open it")
	case errors.Is(err, fs.ErrNotExist):
		return ok("there is no database yet")
	case errors.Is(err, store.ErrWrongKeys):
		return unsure("they do not open it", "Mend data.file or data.database, which says what to do.")
	}
	return unsure("it cannot be read", "Mend data.file or data.database first.")
}

// keyLife is how long one key may seal. Source: NIST SP 800-57 part 1, table 1: a symmetric key
// encrypts for two years at most.
const keyLife = 2 * 365 * 24 * time.Hour

func (v *visit) keyAge() says {
	if v.offline && hasVault(v.cfg) {
		return notAsked
	}
	keys, err := v.vault()
	if errors.Is(err, fs.ErrNotExist) {
		return ok("there is none yet; belay serve makes it")
	}
	if err != nil {
		return unsure("the keys could not be opened", "Mend data.keys and data.vault first, if one is at fault.")
	}
	for _, k := range keys.Keys() {
		if k.Primary {
			return v.aged(k.Made)
		}
	}
	return unsure("no key seals", "belay keys list")
}

func (v *visit) aged(made time.Time) says {
	switch {
	case made.IsZero():
		return unsure("when the key was made is not recorded", "belay keys rotate makes a new one.")
	case v.now().Sub(made) > keyLife:
		return warn("the key that seals is of "+made.UTC().Format(time.DateOnly)+", more than two years old", "belay keys rotate")
	}
	return ok("the key that seals is of " + made.UTC().Format(time.DateOnly))
}
