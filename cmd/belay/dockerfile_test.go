package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one of a Dockerfile, its continued lines joined.
type instruction struct{ name, rest string }

func dockerfile(t *testing.T) []instruction {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var all []instruction
	for _, line := range strings.Split(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{name, strings.TrimSpace(rest)})
	}
	return all
}

// What a linter of Dockerfiles would look for, as far as it matters here.
func TestDockerfile(t *testing.T) {
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "ARG", "VOLUME", "EXPOSE", "USER", "ENTRYPOINT", "CMD"}
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:[A-Za-z0-9][A-Za-z0-9._-]*(@sha256:[0-9a-f]{64})?$`)
	last := map[string]string{}
	stages := 0
	for _, i := range dockerfile(t) {
		if !slices.Contains(known, i.name) {
			t.Errorf("%s is not among %v", i.name, known)
		}
		switch i.name {
		case "FROM":
			stages++
			last = map[string]string{}
			fields := strings.Fields(i.rest)
			if strings.HasPrefix(fields[0], "--platform=") {
				fields = fields[1:]
			}
			if !pinned.MatchString(fields[0]) || strings.HasSuffix(fields[0], ":latest") {
				t.Errorf("%s is not pinned", fields[0])
			}
		case "COPY":
			if stages == 2 && !strings.Contains(i.rest, "--from=build") {
				t.Errorf("the image takes %q from outside the build stage", i.rest)
			}
		case "RUN":
			if stages == 2 {
				t.Error("the image runs something, and it has no shell")
			}
			if strings.Contains(i.rest, "go build") {
				for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "./cmd/belay"} {
					if !strings.Contains(i.rest, want) {
						t.Errorf("the build lacks %s", want)
					}
				}
			}
		case "ENTRYPOINT", "CMD":
			if !strings.HasPrefix(i.rest, "[") {
				t.Errorf("%s is in shell form, and the image has no shell", i.name)
			}
		}
		last[i.name] = i.rest
	}
	if stages != 2 {
		t.Errorf("%d stages, want one to build and one to run", stages)
	}
	if !strings.HasPrefix(last["USER"], "nonroot") {
		t.Errorf("the image runs as %q", last["USER"])
	}
	for _, name := range []string{"VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"} {
		if last[name] == "" {
			t.Errorf("the image has no %s", name)
		}
	}
}

// The image is built with the Go that the module names.
func TestDockerfileGoVersion(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go ([0-9.]+)$`).FindStringSubmatch(string(mod))
	if version == nil {
		t.Fatal("go.mod names no version")
	}
	if from := dockerfile(t)[0].rest; !strings.Contains(from, "golang:"+version[1]+"-") {
		t.Errorf("the build stage is %s, go.mod says %s", from, version[1])
	}
}
