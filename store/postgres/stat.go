package postgres

// Connections say how busy the database is, as seen from here.
type Connections struct {
	Open, Busy, Most int // connections; busy ones are in a transaction
	Updates          int // that wait for their turn or run
}

// Connections are those of now. Nothing is asked of the server.
func (s *Store) Connections() Connections {
	p := s.pool.Stat()
	return Connections{Open: int(p.TotalConns()), Busy: int(p.AcquiredConns()), Most: int(p.MaxConns()), Updates: int(s.waiting.Load())}
}
