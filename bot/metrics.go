package bot

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the figures an operator watches. Labels hold no personal data.
type Metrics struct {
	handled  *prometheus.CounterVec // what people did
	limited  *prometheus.CounterVec // what people did too fast
	settled  *prometheus.CounterVec // intents by outcome
	observed *prometheus.CounterVec // readings of Microsoft by result
	shown    *prometheus.CounterVec // cards by result
	polled   *prometheus.CounterVec // readings of approvers' lists and of the audit log by result

	placed *prometheus.CounterVec // activations by what the sign-in log says of them
	blind  *prometheus.GaugeVec   // detectors of alerts that cannot see

	leasesLost prometheus.Counter // leases that another process took while this one worked

	uncovered prometheus.Gauge     // roles with approval of which no approver has a sign-in
	oldestDue prometheus.Gauge     // how long the most overdue request has been due
	open      *prometheus.GaugeVec // open requests by state
	owed      *prometheus.GaugeVec // calls to Microsoft that are owed
	oldest    prometheus.Gauge     // for how long the oldest of them could have been made
	surveyed  prometheus.Gauge     // when these four were counted
	linked    prometheus.Gauge     // people with a chat account that is bound
	read      *prometheus.GaugeVec // when a list, or the audit log, was last read
	lag       *prometheus.GaugeVec // for how long the most overdue list has waited
	compared  prometheus.Gauge     // when the tenant was last read to be compared with what was accepted
}

// NewMetrics registers the figures with reg; nil keeps them to itself.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "belay", Name: name, Help: help}, labels)
		if reg != nil {
			reg.MustRegister(c)
		}
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "belay", Name: name, Help: help})
		if reg != nil {
			reg.MustRegister(g)
		}
		return g
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "belay", Name: name, Help: help}, labels)
		if reg != nil {
			reg.MustRegister(g)
		}
		return g
	}
	leasesLost := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "belay", Name: "leases_lost_total",
		Help: "Leases on requests that another process took while this one still worked on them."})
	if reg != nil {
		reg.MustRegister(leasesLost)
	}
	return &Metrics{
		handled:  counter("handled_total", "Acts of people, by platform and kind.", "platform", "kind"),
		limited:  counter("limited_total", "Acts that were refused because there were too many, by platform and by whose limit (person or tenant).", "platform", "by"),
		settled:  counter("settled_total", "Calls to Microsoft, by kind and outcome.", "kind", "outcome"),
		observed: counter("observed_total", "Readings of what Microsoft holds, by result.", "result"),
		shown:    counter("shown_total", "Cards posted or updated, by platform and result.", "platform", "result"),
		polled:   counter("polled_total", "Readings of approvers' lists and of the audit log, by pillar and result.", "pillar", "result"),

		placed: counter("sign_in_places_total", "Activations, by what the sign-in log says of where the person signed in.", "outcome"),
		blind:  gauges("alerts_blind", "1 for a detector of alerts that cannot read what it looks at.", "detector"),

		uncovered: gauge("uncovered_roles", "Roles with approval of which no approver has a sign-in: requests made for them elsewhere are seen late."),
		oldestDue: gauge("oldest_due_seconds", "For how long the most overdue request has waited to be settled."),
		open:      gauges("open_requests", "Requests that are not over, by state.", "state"),
		owed:      gauges("intents_owed", "Calls to Microsoft that are owed, by kind and state.", "kind", "state"),
		oldest:    gauge("oldest_intent_seconds", "For how long the oldest call that could be made has been owed. Calls that wait for a sign-in or for their time do not count."),
		surveyed:  gauge("surveyed_timestamp_seconds", "When open requests and owed calls were last counted."),
		linked:    gauge("linked_people", "People with at least one linked chat account, counted up to 20000."),
		read:      gauges("polled_timestamp_seconds", "When an approver's list, or the audit log, was last read, by pillar and source.", "pillar", "source"),
		lag:       gauges("list_lag_seconds", "For how long the most overdue list of an approver has waited for its turn, by pillar.", "pillar"),
		compared:  gauge("drift_read_timestamp_seconds", "When the tenant was last read and compared with what was accepted; 0: never, or not by this replica."),

		leasesLost: leasesLost,
	}
}

// driftRead says when the tenant was read; zero: it was not.
func (m *Metrics) driftRead(at time.Time) {
	if !at.IsZero() {
		m.compared.Set(float64(at.Unix()))
	}
}
