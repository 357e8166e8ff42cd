// Slack, as slacktest's client serves it: the state with every message rendered
// to HTML on the server, where everything that people wrote is escaped.

import { dress } from "./blocks.js";
import { h, post, Refused } from "./dom.js";
import { Modal } from "./modal.js";
import { Pane } from "./pane.js";

const home = "home"; // no conversation has this id

export class Slack {
  name = "slack";

  constructor(root) {
    this.pane = new Pane(root, this, "U0ALICE");
    this.modal = new Modal(document.querySelector("dialog.modal"), this.pane);
    root.addEventListener("drawn", () => this.modal.show(this.top(this.pane.state, this.pane.person), this.pane.person));
  }

  update(state) { this.pane.update(state); }

  people(state) {
    return state.users.filter((u) => !u.bot && !u.deleted).map((u) => ({ id: u.id, name: u.real_name || u.name, note: u.guest ? "guest" : "" }));
  }

  // places are the chat with Belay, whether it was opened yet or not, its Home tab,
  // and channels.
  places(state, person) {
    const dm = state.channels.find((c) => c.user === person);
    const channels = state.channels.filter((c) => !c.user && (c.members ?? []).includes(person));
    return [{ id: dm?.id ?? "", name: "Belay", robot: true }, { id: home, name: "Home", robot: true, silent: true },
      ...channels.map((c) => ({ id: c.id, name: c.name, robot: false }))];
  }

  // enter tells the app that somebody looks at its Home tab.
  enter(person, place) {
    if (place.id === home) this.pane.act(() => post("slack/home", { user: person }));
  }

  // messages stand by thread, a reply below the message it answers.
  messages(state, person, place) {
    if (place === home) return this.homely(state, person);
    const channel = state.channels.find((c) => c.id === place);
    const all = (channel?.messages ?? []).filter((m) => !m.ephemeral_to || m.ephemeral_to === person);
    const below = Map.groupBy(all, (m) => m.thread_ts || m.ts);
    return [...below.values()].flat().map((m) => {
      const robot = m.user === state.bot_user;
      const author = state.users.find((u) => u.id === m.user);
      return {
        id: m.ts, robot, own: m.user === person, from: robot ? "Belay" : author?.real_name ?? m.user,
        only: Boolean(m.ephemeral_to), reply: Boolean(m.thread_ts && m.thread_ts !== m.ts),
        mark: m.edited ? "(edited)" : m.updates ? "updated" : "",
        says: JSON.stringify([m.html, m.edited, m.updates]),
        body: () => this.body(m, place),
      };
    });
  }

  notices(state, person) {
    const n = state.notices?.[person];
    return n ? [{ id: `${person} ${n.at}`, kind: "error", text: `Slack: ${n.text}` }] : [];
  }

  // A window that is open for somebody else waits for them.
  waiting(state, person) { return this.top(state, person) ? 1 : 0; }

  hint(place, name) { return `${name} types /elevate here`; }

  async send(person, place, text) {
    const [, command, rest] = /^(\/\S*)\s*([\s\S]*)$/.exec(text) ?? [];
    if (!command) throw new Refused("In Slack, Belay hears slash commands only. Type /elevate and press Enter.");
    if (command !== "/elevate") throw new Refused(`${command} is not a command of Belay's. Type /elevate, or /elevate help.`);
    await post("slack/command", { user: person, channel: place.id, command, text: rest });
  }

  top(state, person) { return state.views.findLast((v) => v.user === person); }

  // homely is the Home tab of a person: one thing to see, and nothing that is new.
  homely(state, person) {
    return state.homes.filter((v) => v.user === person).map((v) => ({
      id: v.id, own: true, page: true, says: v.html,
      body: () => this.live(v.html, (deed) => post("slack/change", { user: person, view: v.id, ...deed })),
    }));
  }

  body(m, place) {
    return this.live(m.html, (deed) => post("slack/press", { user: this.pane.person, channel: place, ts: m.ts, ...deed }));
  }

  // live is rendered Block Kit of which send sends what is pressed.
  live(html, send) {
    const el = h("div", { class: "blocks" });
    el.innerHTML = html;
    dress(el, this.pane);
    const use = async (control, value) => {
      el.setAttribute("aria-busy", "true");
      const data = control.dataset;
      await this.pane.act(() => send({ block: data.blockId, action: data.actionId, value }));
      el.removeAttribute("aria-busy");
    };
    el.addEventListener("click", (e) => {
      const button = e.target.closest("button[data-action-id]");
      if (button && !el.hasAttribute("aria-busy")) use(button, button.dataset.value);
    });
    el.addEventListener("change", (e) => {
      if (e.target.matches("select[data-action-id]") && e.target.value) use(e.target, e.target.value);
    });
    return el;
  }
}
