package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	Path   string
	Stdout io.Writer // of Path "-"
}

// Standard is the path that stands for the standard output.
const Standard = "-"

// Send implements feed.Target.
func (f *File) Send(_ context.Context, events []trail.Record) (int, error) {
	var lines bytes.Buffer
	for _, r := range events {
		_, text := f.event(r)
		lines.Write(text)
		lines.WriteByte('\n')
	}
	if f.Path == Standard {
		if _, err := f.Stdout.Write(lines.Bytes()); err != nil {
			return 0, &CallError{"the standard output cannot be written", err}
		}
		return len(events), nil
	}
	if err := f.add(lines.Bytes()); err != nil {
		return 0, &CallError{"the file cannot be written: " + reason(err), err}
	}
	return len(events), nil
}

// add appends, and is back when it is on the disk. What could be written only in part is taken
// back; half a line that a kill left is ended, so that it spoils no other.
func (f *File) add(lines []byte) (err error) {
	file, err := os.OpenFile(f.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // a pipe, or a device
		_, err = file.Write(lines)
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

// Check looks whether the file can be written, without writing.
func (f *File) Check(context.Context) (Checked, error) {
	if f.Path == Standard {
		return Checked{Found: "the standard output of belay serve"}, nil
	}
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
	case info.IsDir():
		return Checked{}, errors.New("it is a directory")
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
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return "it failed"
}
