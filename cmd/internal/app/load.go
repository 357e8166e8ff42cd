package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// Setting is one key of the configuration.
type Setting struct {
	Path    string       // "slack.bot_token"
	Env     string       // "BELAY_SLACK_BOT_TOKEN"
	Kind    reflect.Type // of the value
	Default string
	Doc     string
}

// secret says that the value may also be given as a file.
func (s Setting) secret() bool { return s.Kind == reflect.TypeFor[Secret]() }

// structured says that a value is a list of rules, which a variable of the environment
// cannot hold.
func structured(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// Settings lists every key, in the order of the file.
func Settings() []Setting {
	var all []Setting
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for i := range t.NumField() {
			f := t.Field(i)
			path := prefix + f.Tag.Get("koanf")
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, path+".")
				continue
			}
			all = append(all, Setting{Path: path, Env: envName(path), Kind: f.Type, Default: f.Tag.Get("default"), Doc: f.Tag.Get("doc")})
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return all
}

func envName(path string) string {
	return "BELAY_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// ConfigError is every fault of a configuration, each with its path.
type ConfigError struct{ Faults []string }

// Error lists the faults, a line each.
func (e *ConfigError) Error() string {
	return "the configuration has faults:\n  " + strings.Join(e.Faults, "\n  ")
}

// Load reads the YAML file at path ("" for none) and then the environment, which
// wins. All faults come back at once in a *ConfigError: an unknown key, a wrong
// type, an empty secret, a value that makes no sense.
func Load(path string, environ []string) (Config, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return Config{}, &ConfigError{[]string{fmt.Sprintf("%s: the file cannot be read: %s", path, reason(err))}}
		}
	}
	l := loader{k: koanf.New("."), settings: Settings(), at: map[string]bool{}}
	l.defaults()
	if !l.file(path, text) {
		return Config{}, &ConfigError{l.faults} // without it, everything else would seem to be missing
	}
	l.environment(environ)
	l.secretFiles()
	c := l.decode()
	for _, f := range c.Validate() {
		if at, _, _ := strings.Cut(f, ": "); !l.at[at] && !l.at[at+"_file"] {
			l.faults = append(l.faults, f)
		}
	}
	if len(l.faults) > 0 {
		slices.Sort(l.faults)
		return Config{}, &ConfigError{slices.Compact(l.faults)}
	}
	return c, nil
}

type loader struct {
	k        *koanf.Koanf
	settings []Setting
	faults   []string
	at       map[string]bool // the paths of faults
}

func (l *loader) fault(path, format string, args ...any) {
	l.faults = append(l.faults, path+": "+fmt.Sprintf(format, args...))
	l.at[path] = true
}

func (l *loader) set(values map[string]any) {
	if err := l.k.Load(confmap.Provider(values, "."), nil); err != nil {
		l.fault("configuration", "%v", err)
	}
}

func (l *loader) defaults() {
	values := map[string]any{}
	for _, s := range l.settings {
		if s.Default == "" {
			continue
		}
		v, err := parse(s.Kind, s.Default)
		if err != nil {
			l.fault(s.Path, "default: %v", err)
			continue
		}
		values[s.Path] = v
	}
	l.set(values)
}

// file takes in the YAML, after its keys and types were checked; false: it is none.
func (l *loader) file(path string, text []byte) bool {
	if len(bytes.TrimSpace(text)) == 0 {
		return true
	}
	k := koanf.New(".")
	if err := k.Load(rawbytes.Provider(text), yaml.Parser()); err != nil {
		l.fault(path, "not YAML: %s", strings.Join(strings.Fields(err.Error()), " "))
		return false
	}
	values := map[string]any{}
	for _, key := range k.Keys() {
		if l.section(key) {
			if _, empty := k.Get(key).(map[string]any); !empty && k.Get(key) != nil { // else everything in it is commented out
				l.fault(key, "must be a section with keys of its own")
			}
			continue
		}
		s, known := l.find(key)
		if !known {
			l.fault(cmp.Or(key, `""`), "unknown key")
			continue
		}
		v := k.Get(s.Path)
		if l.fits(s.Path, s.Kind, v) {
			values[s.Path] = v
		}
	}
	l.set(values)
	return true
}

// section says whether key holds other keys.
func (l *loader) section(key string) bool {
	return slices.ContainsFunc(l.settings, func(s Setting) bool { return strings.HasPrefix(s.Path, key+".") })
}

// find knows a key, also the _file form of a secret and a key below a map.
func (l *loader) find(key string) (Setting, bool) {
	for _, s := range l.settings {
		if key == s.Path || s.Kind.Kind() == reflect.Map && strings.HasPrefix(key, s.Path+".") {
			return s, true
		}
		if s.secret() && key == s.Path+"_file" {
			return Setting{Path: key, Env: s.Env + "_FILE", Kind: reflect.TypeFor[string]()}, true
		}
	}
	return Setting{}, false
}

func (l *loader) environment(environ []string) {
	values := map[string]any{}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "BELAY_") {
			continue
		}
		s, known := l.byEnv(name)
		if !known && serviceLinks.MatchString(name) {
			continue
		}
		if !known {
			l.fault(name, "unknown variable")
			continue
		}
		v, err := parse(s.Kind, text)
		if err != nil {
			l.fault(name, "%v", err)
			l.at[s.Path] = true
			continue
		}
		values[s.Path] = v
	}
	l.set(values)
}

// serviceLinks are what Kubernetes puts into the environment of every pod beside
// a Service of the name belay.
var serviceLinks = regexp.MustCompile(`^BELAY_(SERVICE_(HOST|PORT(_.*)?)|PORT(_.*)?)$`)

func (l *loader) byEnv(name string) (Setting, bool) {
	for _, s := range l.settings {
		if structured(s.Kind) {
			continue // the file only
		}
		if s.Env == name {
			return s, true
		}
		if s.secret() && s.Env+"_FILE" == name {
			return Setting{Path: s.Path + "_file", Kind: reflect.TypeFor[string]()}, true
		}
	}
	return Setting{}, false
}

// parse reads a value from text; the error never repeats it.
func parse(kind reflect.Type, text string) (any, error) {
	switch {
	case kind == reflect.TypeFor[time.Duration]():
		if _, err := time.ParseDuration(text); err != nil {
			return nil, errors.New("must be a duration such as 12h")
		}
		return text, nil
	case kind.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, errors.New("must be a whole number")
		}
		return n, nil
	case kind.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return nil, errors.New("must be true or false")
		}
		return text == "true", nil
	case kind.Kind() == reflect.Slice:
		var all []any
		for _, part := range strings.Split(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
		return all, nil
	case kind.Kind() == reflect.Map:
		all := map[string]any{}
		for _, pair := range strings.Split(text, ",") {
			from, to, ok := strings.Cut(pair, "=")
			if !ok {
				return nil, errors.New("must be key=value pairs, separated by commas")
			}
			all[strings.TrimSpace(from)] = strings.TrimSpace(to)
		}
		return all, nil
	}
	return text, nil
}

// secretFiles replaces each …_file by what the file holds, without the newline
// that editors leave at its end.
func (l *loader) secretFiles() {
	values := map[string]any{}
	for _, s := range l.settings {
		if !s.secret() {
			continue
		}
		file := l.k.String(s.Path + "_file")
		direct := l.k.Exists(s.Path)
		l.k.Delete(s.Path + "_file")
		switch {
		case file == "" && direct && strings.TrimSpace(l.k.String(s.Path)) == "":
			l.fault(s.Path, "is empty; leave the key out or give the secret")
		case file == "":
		case direct:
			l.fault(s.Path, "is given both directly and as a file")
		default:
			text, err := os.ReadFile(file)
			if err != nil {
				l.fault(s.Path+"_file", "cannot be read: %s", reason(err))
				continue
			}
			if len(bytes.TrimSpace(text)) == 0 {
				l.fault(s.Path+"_file", "the file is empty")
				continue
			}
			values[s.Path] = strings.TrimRight(string(text), "\r\n")
		}
	}
	l.set(values)
}

func (l *loader) decode() Config {
	var c Config
	err := l.k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: &c, TagName: "koanf", ErrorUnused: true,
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
	}})
	var many interface{ WrappedErrors() []error }
	switch {
	case err == nil:
	case errors.As(err, &many):
		for _, e := range many.WrappedErrors() {
			l.fault("configuration", "%v", e)
		}
	default:
		l.fault("configuration", "%v", err)
	}
	return c
}
