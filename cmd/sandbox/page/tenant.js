// The tenant: its clock, who has which role now, what waits, and its audit log,
// which says whose identity did what.

import { avatar, clock, day, h, hours, keep, moment, post, span } from "./dom.js";
import { Portal } from "./portal.js";
import { Security } from "./security.js";

const kinds = { user: "user", application: "application", service: "PIM" };

export class Tenant {
  constructor(root, { moved }) {
    this.root = root;
    this.portal = new Portal(root.querySelector(".portal"), this, moved);
    this.security = new Security(root.querySelector(".security"), moved);
    this.time = root.querySelector(".time");
    for (const button of root.querySelectorAll("button[data-advance]")) {
      button.addEventListener("click", () => this.advance(button, moved));
    }
  }

  async advance(button, moved) {
    const trouble = this.root.querySelector(".clock .notice");
    button.disabled = true;
    try {
      await post("tenant/clock", { advance: button.dataset.advance });
      trouble.hidden = true;
    } catch (e) {
      trouble.textContent = e.message;
      trouble.hidden = false;
    }
    button.disabled = false;
    button.focus({ preventScroll: true });
    moved();
  }

  name(id) {
    if (id === this.state.app) return "Belay, the application";
    if (this.state.applications?.[id]) return `${this.state.applications[id]}, an application`;
    return this.state.people.find((p) => p.id === id)?.name ?? this.state.groups.find((g) => g.id === id)?.name;
  }

  // what names an assignment of any kind.
  what(a) {
    const { roles, groups, azureRoles = [], resources = [] } = this.state;
    const last = (id) => id.split("/").at(-1);
    switch (a.kind) {
      case "group":
        return `${a.role === "owner" ? "Owner" : "Member"} of ${groups.find((g) => g.id === a.scope)?.name ?? a.scope}`;
      case "azure": {
        const at = resources.find((r) => r.id.toLowerCase() === a.scope.toLowerCase())?.name ?? last(a.scope);
        return `${azureRoles.find((r) => r.id === last(a.role).toLowerCase())?.name ?? last(a.role)} on ${at}`;
      }
    }
    return roles.find((r) => r.id === a.role)?.name ?? a.role;
  }

  update(state) {
    this.state = state;
    this.time.dateTime = state.now;
    this.time.replaceChildren(h("strong", {}, clock(state.now)), h("span", {}, day(state.now)));
    const minutes = Math.round(state.ahead / 60);
    this.root.querySelector(".ahead").textContent = minutes > 0 ? `${span(minutes * 60000)} ahead of your watch` : "The same as your watch";
    this.portal.update(state);
    this.security.update(state);
    this.active();
    this.pending();
    this.audit();
  }

  active() {
    const now = Date.parse(this.state.now);
    const rows = this.state.active.map((a) => ({
      id: a.schedule, who: this.name(a.principal) ?? a.principal, role: this.what(a), on: a.activated, mine: this.portal.is(a.principal), at: a,
      until: a.end && `until ${moment(a.end)}, ${span(Date.parse(a.end) - now)} left`,
    }));
    const row = (r) => h("li", { class: r.on ? "on" : "" }, avatar(r.who),
      h("div", {}, h("strong", {}, r.role), h("p", {}, r.who), r.until && h("p", { class: "soft" }, r.until),
        r.on && r.mine && this.portal.button("End", { do: "deactivate", kind: r.at.kind, role: r.at.role, scope: r.at.scope })));
    const standing = rows.filter((r) => !r.on);
    this.list(".active", rows.filter((r) => r.on), row);
    this.list(".standing", standing, row);
    this.root.querySelector(".standing summary").textContent = `Standing assignments (${standing.length})`;
  }

  pending() {
    const rows = this.state.requests.filter((r) => r.status === "PendingApproval").map((r) => ({
      id: r.id, who: this.name(r.principal), role: this.what(r), why: r.justification, time: hours(r.duration), mine: this.portal.is(r.principal),
    }));
    this.list(".pending", rows, (r) => h("li", { class: "wait" }, avatar(r.who),
      h("div", {}, h("strong", {}, r.role), h("p", {}, `${r.who}, for ${r.time}`), h("p", { class: "soft" }, `“${r.why}”`),
        h("p", { class: "acts" }, ...(r.mine ? [this.portal.button("Cancel", { do: "cancel", request: r.id })]
          : [this.portal.button("Approve", { do: "approve", request: r.id }), this.portal.button("Deny", { do: "deny", request: r.id })])))));
  }

  audit() {
    const rows = this.state.audit.map((a) => ({
      id: a.id, at: a.time, kind: a.actorKind, what: a.activity, decides: a.actorKind === "user" && a.actor !== a.target,
      who: a.actorKind === "service" ? "Microsoft Entra PIM" : this.name(a.actor) ?? (a.actorKind === "application" ? "Belay" : a.actor),
      target: [this.name(a.target), this.what(a)].filter(Boolean).join(" · "),
    }));
    this.list(".audit", rows, (r) => h("li", { class: `${r.kind}${r.decides ? " decides" : ""}` },
      h("p", { class: "who" }, h("strong", {}, r.who), h("small", { class: `kind ${r.kind}` }, kinds[r.kind] ?? r.kind), h("time", { datetime: r.at, title: moment(r.at) }, moment(r.at))),
      h("p", {}, r.what), h("p", { class: "soft" }, r.target)));
    const by = (kind) => rows.filter((r) => r.kind === kind).length;
    this.root.querySelector(".tally").textContent = rows.length === 0 ? ""
      : `${by("user")} by people, ${by("application")} by an application, ${by("service")} by PIM itself`;
  }

  list(where, rows, make) {
    const section = this.root.querySelector(where);
    keep(section.querySelector("ul, ol"), rows, { key: (r) => r.id, digest: (r) => JSON.stringify(r), make: (r) => make(r) });
    section.querySelector(".none").hidden = rows.length > 0;
  }
}
