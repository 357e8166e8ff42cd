package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/belaybot/belay/store/trail"
)

// File has a line of JSON for each event. It is opened for each delivery, so that whoever
// rotates it need not tell: by renaming it, or by copying and truncating it.
type File struct {
	Format
	Path string // of a file; what is there and is none is refused
}

// Standard is the path that stands for the standard output: a Stream.
const Standard = "-"

// Send implements feed.Target.
func (f *File) Send(_ context.Context, events []trail.Record) (int, error) {
	var lines bytes.Buffer
	for _, r := range events {
		_, text := f.event(r)
		lines.Write(text)
		lines.WriteByte('\n')
	}
	if err := f.add(lines.Bytes()); err != nil {
		return 0, &CallError{"the file cannot be written: " + reason(err), err}
	}
	return len(events), nil
}

// add appends, and is back when it is on the disk. What could be written only in part is taken
// back; half a line that a kill left is ended, so that it spoils no other.
func (f *File) add(lines []byte) (err error) {
	if err := Plain(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) { // before it is opened: that may wait for a reader
		return err
	}
	file, err := os.OpenFile(f.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := plain(info); err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte("\n"), lines...)
		}
	}
	if _, err := file.Write(lines); err != nil {
		return errors.Join(err, file.Truncate(info.Size()))
	}
	return file.Sync()
}

// NotAFileError says that something else than a file is at a path. A pipe forgets what it was
// given when nobody reads it, and so do a socket and a device: what was written there is not
// known to have arrived.
type NotAFileError struct{ Is string }

// Error says what it is, and what to do.
func (e *NotAFileError) Error() string {
	return "it is " + e.Is + ", and must be a file: name one, or - for the standard output"
}

// Plain says whether a file is at path: nil, a *NotAFileError, or why it cannot be looked at.
func Plain(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return plain(info)
}

func plain(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &NotAFileError{"a directory"}
	case mode&fs.ModeNamedPipe != 0:
		return &NotAFileError{"a pipe"}
	case mode&fs.ModeSocket != 0:
		return &NotAFileError{"a socket"}
	}
	return &NotAFileError{"a device"}
}

// Check looks whether the file can be written, without writing.
func (f *File) Check(context.Context) (Checked, error) {
	info, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir, err := os.Stat(filepath.Dir(f.Path))
		if err != nil || !dir.IsDir() {
			return Checked{}, fmt.Errorf("its directory is not there")
		}
		return Checked{Found: "it is not there yet; belay serve makes it"}, nil
	case err != nil:
		return Checked{}, &CallError{"it cannot be looked at: " + reason(err), err}
	}
	if err := plain(info); err != nil {
		return Checked{}, err
	}
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return Checked{}, &CallError{"it cannot be written: " + reason(err), err}
	}
	return Checked{Found: "it can be written, and was written last at " + info.ModTime().UTC().Format(time.DateTime)}, file.Close()
}

// reason is the operating system's reason, without the file's name.
func reason(err error) string {
	var path *fs.PathError
	var other *NotAFileError
	switch {
	case errors.As(err, &other):
		return other.Error()
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return "it failed"
}
