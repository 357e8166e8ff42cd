// One chat as its people see it: who one is, the conversations, the messages and
// the message box. What differs between Slack and Teams is in the chat given to
// it (slack.js, teams.js):
//
//	people(state)                   [{id, name, note}]
//	places(state, person)           [{id, name, robot, silent}]; nothing is written in a silent one
//	messages(state, person, place)  [{id, from, robot, own, only, reply, page, mark, says, body()}]
//	enter(person, place)            where there is something to tell of it
//	notices(state, person)          [{id, kind, text}]
//	waiting(state, person)          how much waits besides messages
//	send(person, place, text, mention)

import { avatar, badge, h, keep, Refused } from "./dom.js";
import { Seen } from "./seen.js";

export class Pane {
  constructor(root, chat, first) {
    this.root = root;
    this.chat = chat;
    this.seen = new Seen(chat.name);
    this.gone = new Set(); // notices that were taken away
    this.fading = new Set(); // and those that go by themselves
    this.own = []; // notices of the page itself
    this.person = sessionStorage.getItem(`${chat.name}-person`) ?? first;
    this.place = {}; // by person
    this.people = root.querySelector(".people");
    this.places = root.querySelector(".places");
    this.messages = root.querySelector(".messages");
    this.scroll = root.querySelector(".scroll");
    this.notes = root.querySelector(".notices");
    this.form = root.querySelector("form.composer");
    this.box = this.form.querySelector("input[type=text]");
    this.mention = this.form.querySelector("input[type=checkbox]");
    this.form.addEventListener("submit", (e) => { e.preventDefault(); this.send(); });
    document.addEventListener("visibilitychange", () => this.draw());
  }

  update(state) {
    this.state = state;
    this.draw();
  }

  // go shows a conversation of a person; without a place, the one they were in.
  go(person, place) {
    this.person = person;
    if (place !== undefined) this.place[person] = place;
    sessionStorage.setItem(`${this.chat.name}-person`, person);
    this.own = [];
    this.jump = true;
    this.draw();
    this.chat.enter?.(person, this.here());
  }

  here() {
    const all = this.chat.places(this.state, this.person);
    return all.find((p) => p.id === this.place[this.person]) ?? all[0];
  }

  // fresh counts what somebody has not seen, in one place or in all.
  fresh(person, place) {
    const ids = this.chat.messages(this.state, person, place).filter((m) => !m.own).map((m) => m.id);
    return this.seen.fresh(person, place, ids);
  }

  freshOf(person) {
    const places = this.chat.places(this.state, person);
    return places.reduce((n, p) => n + this.fresh(person, p.id), this.chat.waiting(this.state, person));
  }

  // news is how much is new for all people of this chat.
  news() {
    if (!this.state) return 0;
    return this.chat.people(this.state).filter((p) => p.id !== this.person).reduce((n, p) => n + this.freshOf(p.id), 0);
  }

  draw() {
    if (!this.state) return;
    const people = this.chat.people(this.state);
    if (!people.some((p) => p.id === this.person)) this.person = people[0].id;
    const here = this.here();
    const all = this.chat.messages(this.state, this.person, here.id);
    if (document.visibilityState === "visible") this.seen.see(this.person, here.id, all.map((m) => m.id));

    keep(this.people, people.map((p) => ({ ...p, count: p.id === this.person ? 0 : this.freshOf(p.id), on: p.id === this.person })), {
      key: (p) => p.id,
      digest: (p) => JSON.stringify(p),
      make: (p) => h("button", { type: "button", class: "person", "aria-pressed": String(p.on), "data-person": p.id, onclick: () => this.go(p.id) },
        avatar(p.name), h("span", {}, p.name.split(" ")[0], p.note && h("small", {}, ` ${p.note}`)), badge(p.count)),
    });
    keep(this.places, this.chat.places(this.state, this.person).map((p) => ({ ...p, count: this.fresh(this.person, p.id), on: p.id === here.id })), {
      key: (p) => p.id,
      digest: (p) => JSON.stringify(p),
      make: (p) => h("button", { type: "button", class: "place", "aria-current": p.on && "true", "data-place": p.name, onclick: () => this.go(this.person, p.id) },
        p.robot ? avatar("", true) : h("span", { class: "hash", "aria-hidden": "true" }, "#"), p.name, p.robot && h("small", { class: "app" }, "app"), badge(p.count)),
    });
    const name = people.find((p) => p.id === this.person).name;
    this.box.setAttribute("aria-label", `Message as ${name} in ${here.name}`);
    this.box.placeholder = this.chat.hint(here, name.split(" ")[0]);
    this.form.hidden = Boolean(here.silent);
    if (this.mention) this.mention.closest("label").hidden = here.robot;
    this.drawMessages(all, here); // when the box below has its height
    this.drawNotices();
    this.root.dispatchEvent(new CustomEvent("drawn"));
  }

  drawMessages(all, here) {
    const edge = this.scroll;
    const low = !here.silent && (this.jump || edge.scrollHeight - edge.scrollTop - edge.clientHeight < 60);
    this.messages.setAttribute("aria-label", `Messages in ${here.name}`);
    keep(this.messages, all, {
      key: (m) => `${this.person} ${here.id} ${m.id}`,
      digest: (m) => m.says,
      make: (m, renewed) => (m.page ? h("li", { class: `page${renewed ? " renewed" : ""}`, "data-id": m.id }, m.body()) : h("li", { class: `message${m.only ? " only" : ""}${m.reply ? " reply" : ""}${renewed ? " renewed" : ""}`, "data-id": m.id },
        avatar(m.from, m.robot),
        h("div", { class: "said" },
          m.only && h("p", { class: "only-you" }, "Only visible to you"),
          h("p", { class: "from" }, h("strong", {}, m.from), m.robot && h("small", { class: "app" }, "app"), m.mark && h("small", { class: "edited" }, m.mark)),
          m.body()))),
    });
    this.root.querySelector(".empty").hidden = all.length > 0;
    if (low) edge.scrollTop = edge.scrollHeight;
    else if (this.jump) edge.scrollTop = 0; // a page is read from its top
    this.jump = false;
  }

  drawNotices() {
    const notices = [...this.chat.notices(this.state, this.person), ...this.own].filter((n) => !this.gone.has(n.id));
    for (const n of notices) { // what is no error goes by itself
      if (n.kind === "error" || this.fading.has(n.id)) continue;
      this.fading.add(n.id);
      setTimeout(() => { this.gone.add(n.id); this.drawNotices(); }, 12000);
    }
    keep(this.notes, notices, {
      key: (n) => n.id,
      digest: (n) => n.text,
      make: (n) => h("div", { class: n.kind === "error" ? "notice error" : "notice", role: n.kind === "error" ? "alert" : "status" }, h("p", {}, n.text),
        h("button", { type: "button", "aria-label": "Dismiss", onclick: () => { this.gone.add(n.id); this.drawNotices(); this.box.focus(); } }, "×")),
    });
  }

  // tell shows a word of the page itself to whoever one is now.
  tell(text, kind = "error") {
    this.own.push({ id: `page ${Date.now()} ${this.own.length}`, kind, text });
    this.drawNotices();
  }

  // act does something as the person; what was said to them before is done with.
  async act(deed) {
    for (const n of [...this.chat.notices(this.state, this.person), ...this.own]) this.gone.add(n.id);
    this.own = [];
    this.drawNotices();
    try {
      return await deed();
    } catch (trouble) {
      if (!(trouble instanceof Refused)) throw trouble;
      this.tell(trouble.message);
      return undefined;
    }
  }

  async send() {
    const text = this.box.value.trim();
    if (text === "" || !this.state) return;
    const place = this.here();
    this.box.value = "";
    this.jump = true;
    await this.act(() => this.chat.send(this.person, place, text, this.mention?.checked));
  }
}
