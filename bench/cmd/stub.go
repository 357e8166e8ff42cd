package main

func (b *bench) teams() error     { return nil }
func (b *bench) click() error     { return nil }
func (b *bench) graphhang() error { return nil }
func (b *bench) memory() error    { return nil }
func (b *bench) start() error     { return nil }
func (b *bench) due() error       { return nil }
func (b *bench) year() error      { return nil }
func (b *bench) build() error     { return nil }
