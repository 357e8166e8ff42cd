package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/postgres"
)

// build is the version and the commit that this program was built from.
func build() (version, commit string) {
	version, commit = "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return version, commit
}

// measureProcess registers what is true of every process of Belay.
func measureProcess(reg prometheus.Registerer) {
	version, commit := build()
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "belay", Name: "build_info", Help: "1, with what this process was built from."}, []string{"version", "commit", "go"})
	info.WithLabelValues(version, commit, runtime.Version()).Set(1)
	reg.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// measureReadiness registers whether the store takes updates, which each scrape asks it.
func measureReadiness(reg prometheus.Registerer, ping func(context.Context) error) {
	r := &readiness{ping: ping, within: readyTime}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "belay", Name: "ready",
		Help: "1 when the store takes updates within two seconds, as /readyz says; else 0."}, r.now))
}

// readiness asks one question at a time: a store that hangs does not gather askers, and
// holds up no scrape.
type readiness struct {
	ping   func(context.Context) error
	within time.Duration

	mu    sync.Mutex
	asked chan float64 // holds the answer when there is one; nil: nothing was asked
}

const readyTime = 2 * time.Second

func (r *readiness) now() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil {
		answer := make(chan float64, 1)
		r.asked = answer
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), r.within)
			defer cancel()
			if r.ping(ctx) == nil && ctx.Err() == nil {
				answer <- 1
				return
			}
			answer <- 0
		}()
	}
	t := time.NewTimer(r.within)
	defer t.Stop()
	select {
	case ready := <-r.asked:
		r.asked = nil
		return ready
	case <-t.C:
		return 0
	}
}

// measureStore registers what is true of the store, whichever it is.
func (a *App) measureStore() {
	measureReadiness(a.metrics, a.store.Ping)
	if p, ok := a.store.(*postgres.Store); ok {
		measurePool(a.metrics, p.Connections)
		return
	}
	measureFile(a.metrics, a.cfg.Database())
}

// measureFile registers the size of the database file.
func measureFile(reg prometheus.Registerer, path string) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "belay", Name: "store_file_bytes", Help: "Size of the database file; -1: it cannot be seen."},
		func() float64 {
			info, err := os.Stat(path)
			if err != nil {
				return -1
			}
			return float64(info.Size())
		}))
}

// measurePool registers the connections to PostgreSQL.
func measurePool(reg prometheus.Registerer, of func() postgres.Connections) {
	gauge := func(name, help string, value func(postgres.Connections) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "belay", Name: name, Help: help}, func() float64 { return value(of()) }))
	}
	gauge("postgres_connections", "Connections to PostgreSQL that are open.", func(c postgres.Connections) float64 { return float64(c.Open) })
	gauge("postgres_connections_busy", "Connections to PostgreSQL that are in a transaction.", func(c postgres.Connections) float64 { return float64(c.Busy) })
	gauge("postgres_connections_max", "Connections to PostgreSQL that there may be.", func(c postgres.Connections) float64 { return float64(c.Most) })
	gauge("postgres_updates_waiting", "Updates that wait for a connection or run.", func(c postgres.Connections) float64 { return float64(c.Updates) })
}

// ownTokens count how often Entra refused Belay itself.
type ownTokens struct{ refused *prometheus.CounterVec }

func newOwnTokens(reg prometheus.Registerer) ownTokens {
	o := ownTokens{prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "belay", Name: "own_token_failures_total",
		Help: "Tokens that Belay asked for as itself and did not get, by service and reason."}, []string{"service", "code"})}
	reg.MustRegister(o.refused)
	return o
}

func (o ownTokens) count(service string, err error) {
	if err != nil {
		o.refused.WithLabelValues(service, string(pim.CodeOf(err))).Inc()
	}
}

// pillarTokens are what a pillar speaks with.
type pillarTokens interface {
	Person(ctx context.Context, principal string) (string, error)
	App(ctx context.Context) (string, error)
}

type countedTokens struct {
	pillarTokens
	service string
	count   ownTokens
}

// App is the pillar's, counted.
func (c countedTokens) App(ctx context.Context) (string, error) {
	t, err := c.pillarTokens.App(ctx)
	c.count.count(c.service, err)
	return t, err
}

type countedCredential struct {
	azcore.TokenCredential
	count ownTokens
}

// GetToken is the bot's own, counted.
func (c countedCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := c.TokenCredential.GetToken(ctx, o)
	c.count.count("teams", err)
	return t, err
}
