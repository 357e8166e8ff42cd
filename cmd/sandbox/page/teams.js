// Teams, as teamstest's client serves it; cards are rendered in card.js.

import { render } from "./card.js";
import { h, post, zone } from "./dom.js";
import { Pane } from "./pane.js";

export class Teams {
  name = "teams";
  opened = new Date().toISOString(); // what Teams told people before is not told again

  constructor(root) {
    this.pane = new Pane(root, this, "bob");
  }

  // cast gives people, who have short names in the state, their full ones.
  update(state, cast) {
    this.full = Object.fromEntries(cast.map((p) => [p.key, p.name]));
    this.pane.update(state);
  }

  people(state) { return state.users.map((u) => ({ id: u.name, name: this.full[u.name] ?? u.name })); }

  places(state, person) {
    const mine = state.conversations.filter((c) => c.members.includes(person));
    return [...mine.filter((c) => c.kind === "personal").map((c) => ({ id: c.id, name: "Belay", robot: true })),
      ...mine.filter((c) => c.kind === "channel").map((c) => ({ id: c.id, name: c.name, robot: false }))];
  }

  // messages of a channel stand by thread, a reply below the post it answers.
  messages(state, person, place) {
    const all = state.conversations.find((c) => c.id === place)?.activities ?? [];
    const threads = new Map();
    for (const a of all) {
      if (a.deleted || (a.only && a.only !== person)) continue;
      const root = a.root || a.id;
      threads.set(root, [...(threads.get(root) ?? []), a]);
    }
    return [...threads.values()].flat().map((a) => {
      const card = a.views?.[person] ?? a.card;
      return {
        id: a.id, robot: !a.from, own: a.from === person, from: a.from ? this.full[a.from] ?? a.from : "Belay",
        only: Boolean(a.only), reply: Boolean(a.root && a.root !== a.id), mark: a.updates ? "Edited" : "",
        says: JSON.stringify([a.text, card, a.updates]),
        body: () => h("div", { class: "content" }, a.text && said(a.text), card && this.card(card, place, a.id)),
      };
    });
  }

  notices(state, person) {
    const toasts = state.users.find((u) => u.name === person)?.toasts ?? [];
    return toasts.filter((t) => t.at > this.opened).map((t) => ({ id: `${person} ${t.at}`, kind: t.kind, text: t.text }));
  }

  waiting() { return 0; }

  hint(place, name) { return place.robot ? `${name} types /elevate here` : `Start a post: /elevate`; }

  send(person, place, text, mention) {
    return post("teams/message", { user: person, conversation: place.id, text, mention: !place.robot && Boolean(mention), timezone: zone });
  }

  card(card, place, id) {
    const here = { user: this.pane.person, conversation: place, activity: id, timezone: zone };
    return render(card, {
      press: (action, inputs) => this.pane.act(() => post("teams/press", { ...here, action, inputs })),
      search: async (input, query, inputs) => (await post("teams/search", { ...here, input, query, inputs })).choices ?? [],
      tell: (text) => this.pane.tell(text, "message"),
    });
  }
}

// said shows a text as written, mentions marked.
function said(text) {
  const parts = text.split(/<at>(.*?)<\/at>/);
  return h("p", { class: "text" }, ...parts.map((part, i) => (i % 2 ? h("span", { class: "mention" }, part) : part)));
}
