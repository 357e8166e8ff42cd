package bot

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the figures an operator watches. Labels hold no personal data.
type Metrics struct {
	handled  *prometheus.CounterVec // what people did
	limited  *prometheus.CounterVec // what people did too fast
	settled  *prometheus.CounterVec // intents by outcome
	observed *prometheus.CounterVec // readings of Microsoft by result
	shown    *prometheus.CounterVec // cards by result
	polled   *prometheus.CounterVec // readings of approvers' lists and of the audit log by result

	uncovered prometheus.Gauge     // roles with approval of which no approver has a sign-in
	oldestDue prometheus.Gauge     // how long the most overdue request has been due
	open      *prometheus.GaugeVec // open requests by state
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
	open := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "belay", Name: "open_requests", Help: "Requests that are not over, by state."}, []string{"state"})
	if reg != nil {
		reg.MustRegister(open)
	}
	return &Metrics{
		handled:  counter("handled_total", "Acts of people, by platform and kind.", "platform", "kind"),
		limited:  counter("limited_total", "Acts that were refused because there were too many, by platform and by whose limit (person or tenant).", "platform", "by"),
		settled:  counter("settled_total", "Calls to Microsoft, by kind and outcome.", "kind", "outcome"),
		observed: counter("observed_total", "Readings of what Microsoft holds, by result.", "result"),
		shown:    counter("shown_total", "Cards posted or updated, by platform and result.", "platform", "result"),
		polled:   counter("polled_total", "Readings of approvers' lists and of the audit log, by pillar and result.", "pillar", "result"),

		uncovered: gauge("uncovered_roles", "Roles with approval of which no approver has a sign-in: requests made for them elsewhere are seen late."),
		oldestDue: gauge("oldest_due_seconds", "For how long the most overdue request has waited to be settled."),
		open:      open,
	}
}
