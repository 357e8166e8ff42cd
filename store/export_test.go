package store

// Stepping is f, with step called before each step of writing; an error stops there.
func Stepping(f KeyFile, step func(string) error) KeyFile {
	f.step = step
	return f
}

// SealedBy is the key that sealed a raw value.
func SealedBy(raw []byte) (KeyID, bool) { return sealedBy(raw) }
