package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"

	"github.com/belaybot/belay/store"
)

// collector looks whether somebody is there. It sends no trace, and not the headers that
// are for the collector: what it answers to a read is no matter.
func (v *visit) collector() says {
	a, err := v.collects()
	switch {
	case err != nil:
		said := v.unreached(err)
		if said.verdict == Unknown {
			return said
		}
		return warn(said.found+": traces are dropped, and nothing else is affected", "Check telemetry.endpoint, DNS, the firewall and HTTPS_PROXY on this machine; endpoints.ca_file for its certificate.")
	case a.status == http.StatusNotFound:
		return warn("it has nothing at this path", "Name the whole address in telemetry.endpoint, which mostly ends with /v1/traces.")
	case a.status >= http.StatusInternalServerError:
		return unsure(fmt.Sprintf("it answers HTTP %d", a.status), "Look at the collector's own log.")
	}
	return ok("it answers")
}

// others is what the mode of a file gives to others than its owner.
func others(info fs.FileInfo) fs.FileMode {
	if runtime.GOOS == "windows" {
		return 0
	}
	return info.Mode().Perm() & 0o077
}

// alarm looks at the configuration only: whether Belay is in a channel is another check.
func (v *visit) alarm() says {
	const mend = "Name a private channel of your security team in security.channels, and invite Belay to it."
	switch {
	case len(v.cfg.Security.Channels) > 0:
		return ok("the channels of security.channels")
	case len(v.cfg.Notices.Default) > 0:
		return warn("the channels of notices, for want of security.channels", mend)
	}
	return fault("nobody, unless a rule of notices names somebody: only the audit trail knows", mend)
}

func (v *visit) directory() says {
	dir := v.cfg.Data
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v.absent(dir)
	case err != nil:
		return fault("it cannot be looked at", "Let the account of Belay enter it.")
	case !info.IsDir():
		return fault("it is not a directory", "Name another one in data.")
	case others(info) != 0:
		return fault(fmt.Sprintf("others may enter it: its mode is %04o", info.Mode().Perm()), "chmod 700 "+dir)
	}
	return ok("only its owner may enter it")
}

// absent looks whether a directory could be made.
func (v *visit) absent(dir string) says {
	for at := filepath.Dir(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil || !info.IsDir() || !writable(at):
			return fault("it is not there, and cannot be made in "+at, "Let the account of Belay write there, or name another directory in data.")
		}
		return ok("it is not there yet; belay serve makes it")
	}
}

func (v *visit) keyFile() says {
	_, database := os.Stat(v.cfg.Database())
	info, err := os.Stat(v.cfg.KeyFile())
	switch {
	case errors.Is(err, fs.ErrNotExist) && v.cfg.Replicated():
		return unsure("it is not here: the first replica makes it, and every other needs that one", "Bring it from the replica that made it, or name a shared one in keys.file.")
	case errors.Is(err, fs.ErrNotExist) && errors.Is(database, fs.ErrNotExist):
		return ok("it is not there yet; belay serve makes it")
	case errors.Is(err, fs.ErrNotExist):
		return fault("it is missing, and the database cannot be read without it", "Put the file "+v.cfg.KeyFile()+" back from your backup.")
	case err != nil:
		return unsure("it cannot be looked at", "Ask as the account of Belay.")
	case store.Exposed(info):
		return fault(fmt.Sprintf("others may read it: its mode is %04o", info.Mode().Perm()), "chmod 600 "+v.cfg.KeyFile()+" and, if somebody may have read it, change the keys.")
	}
	return v.keyContent(readersOf(info))
}

func (v *visit) postgres() says {
	err := v.database()
	switch {
	case err == nil:
		return ok("it can be written, keeps what it acknowledges, and is of this version or new")
	case errors.Is(err, store.ErrWrongKeys):
		return fault("the keys of "+v.cfg.KeyFile()+" do not open it", "Put back the key file that every replica has. If nobody has it: docs/operations.md, \"The key file is lost\".")
	case errors.As(err, new(*store.SchemaError)):
		return fault("a newer Belay has changed it", "Start that version, or restore a backup of the server from before the upgrade.")
	}
	return fault(err.Error(), "docs/postgres.md says how it is set up.")
}

// The room that a store needs to go on, in bytes.
const (
	roomWarning = 512 << 20
	roomFault   = 64 << 20
)

// nearest is the directory itself, or the first above it that is there.
func nearest(at string) string {
	for {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			return at
		}
		at = filepath.Dir(at)
	}
}

func (v *visit) space() says {
	left, err := room(nearest(v.cfg.Data))
	found := fmt.Sprintf("%d MiB are left", left>>20)
	const mend = "Make room: when none is left, nothing is acknowledged any more."
	switch {
	case err != nil:
		return unsure("this system does not tell", "")
	case left < roomFault:
		return fault(found, mend)
	case left < roomWarning:
		return warn(found, mend)
	}
	return ok(found)
}
