package trail

// anchor is a checkpoint to compare with. One from outside says more: who has all keys
// can make those in the store anew.
type anchor struct {
	Checkpoint
	outside bool
}

// anchored compares with the checkpoints of where the walk stands.
func (w *walk) anchored() *Bad {
	for len(w.anchors) > 0 && w.anchors[0].Size <= w.next {
		c := w.anchors[0]
		w.anchors = w.anchors[1:]
		if w.head.Begin > 0 && c.Size <= w.head.Begin {
			if c.outside && w.early(c.Checkpoint) {
				return badAt(w.dropped, "events up to %d were dropped before their time: the checkpoint of %s covers them, and events are kept %s",
					w.head.Begin, c.At.Format("2006-01-02 15:04:05"), w.keeps())
			}
			w.dropped = c.Size
		}
		switch {
		case c.Size < w.head.Begin:
			w.report.Dropped++ // of events that are not kept any more
			continue
		case c.Hash != w.hash:
			from := w.sure(c)
			return badAt(from, "the checkpoint of %s says otherwise: something between the events %d and %d was changed, and the chain made anew",
				c.At.Format("2006-01-02 15:04:05"), from, c.Size)
		}
		if w.held = c.Size; c.outside {
			w.trusted = c.Size
		}
		w.report.Checkpoints++
	}
	return nil
}

// sure is up to where the trail is what it was, when this checkpoint says otherwise.
func (w *walk) sure(c anchor) uint64 {
	if c.outside {
		return w.trusted
	}
	return w.held
}

// early says that the events of a checkpoint were too young to be dropped. Belay drops
// what a checkpoint covers that is itself old enough; so this is somebody else's work, or
// the retention was shorter once.
func (w *walk) early(c Checkpoint) bool {
	return w.t.o.Keep == 0 || !c.At.Before(w.now.Add(-w.t.o.Keep))
}

func (w *walk) keeps() string {
	if w.t.o.Keep == 0 {
		return "for ever"
	}
	return w.t.o.Keep.String()
}
