package app

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
)

// countedStore counts what the store itself could not do. The error of a function that it
// ran is the caller's, unless the store put it there.
type countedStore struct {
	store.Store
	failed *prometheus.CounterVec
}

func counted(s store.Store, reg prometheus.Registerer) countedStore {
	c := countedStore{s, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "belay", Name: "store_errors_total",
		Help: "Transactions that the store could not do, by reason."}, []string{"reason"})}
	reg.MustRegister(c.failed)
	return c
}

// View implements store.Store.
func (c countedStore) View(ctx context.Context, fn func(store.Tx) error) error {
	return c.count(ctx, c.Store.View, fn)
}

// Update implements store.Store.
func (c countedStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	return c.count(ctx, c.Store.Update, fn)
}

func (c countedStore) count(ctx context.Context, run func(context.Context, func(store.Tx) error) error, fn func(store.Tx) error) error {
	callers := false
	err := run(ctx, func(tx store.Tx) error {
		err := fn(tx)
		callers = err != nil
		return err
	})
	if why := reasonOf(err, callers); why != "" && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		c.failed.WithLabelValues(why).Inc()
	}
	return err
}

// reasonOf tells what a store could not do; "": nothing is wrong with it.
func reasonOf(err error, callers bool) string {
	var database *postgres.Error
	var damaged *store.CorruptError
	switch {
	case err == nil, errors.Is(err, store.ErrClosed):
		return ""
	case errors.Is(err, store.ErrBusy):
		return "busy"
	case errors.Is(err, store.ErrUncertain):
		return "uncertain"
	case errors.As(err, &damaged):
		return "damaged"
	case errors.As(err, &database):
		return string(database.Reason)
	case callers:
		return ""
	}
	return "failed"
}
