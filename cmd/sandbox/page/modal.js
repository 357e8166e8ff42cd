// A Slack modal as a real dialog: the focus stays inside, Escape closes it. As in
// Slack, what a person fills in stays here until the form is sent or the app asks
// to hear of a change, and it stays for as long as the input's block id does.

import { dress } from "./blocks.js";
import * as boxes from "./boxes.js";
import { combobox } from "./combobox.js";
import { h, keep, post } from "./dom.js";

const controls = "[data-block-id][data-action-id]:not(button, a)";

export class Modal {
  constructor(dialog, pane) {
    this.dialog = dialog;
    this.pane = pane;
    this.busy = Promise.resolve(); // what is done in a modal arrives in its order
    dialog.addEventListener("cancel", (e) => { e.preventDefault(); this.close(); });
    addEventListener("resize", () => this.settle());
  }

  // show shows the view that a person has in front of them; undefined: none.
  show(view, user) {
    this.user = user;
    if (!view) {
      this.view = this.says = undefined;
      if (this.dialog.open) this.dialog.close();
      return;
    }
    const says = JSON.stringify([view.id, view.html, view.title, view.submit, view.close]);
    if (says === this.says) return;
    const fresh = this.view?.id !== view.id, news = JSON.stringify(view.errors) !== JSON.stringify(this.view?.errors);
    this.view = view;
    this.says = says;
    if (fresh) this.open();
    this.draw(fresh, news);
  }

  all() { return [...this.dialog.querySelectorAll(controls)]; }

  // open makes the frame of a new view.
  open() {
    this.title = h("h2", { id: "modal-title" });
    this.body = h("div", { class: "blocks" });
    this.leave = h("button", { type: "button", onclick: () => this.close() });
    this.send = h("button", { type: "submit", class: "primary" });
    this.dialog.replaceChildren(h("form", { novalidate: true, onsubmit: (e) => { e.preventDefault(); this.submit(); } },
      h("header", {}, this.title, h("button", { type: "button", class: "x", "aria-label": "Close", onclick: () => this.close() }, "×")),
      h("div", { class: "inside" }, this.body, h("div", { class: "notices", role: "alert" })),
      h("footer", {}, this.leave, this.send)));
    this.body.addEventListener("change", (e) => {
      const el = e.target.matches("select, .box input") && e.target.closest("[data-dispatch]");
      if (el) this.change(el);
    });
    this.body.addEventListener("click", (e) => {
      const button = e.target.closest("button[data-action-id]");
      if (button) this.change(button);
    });
    if (!this.dialog.open) this.dialog.showModal();
  }

  // draw shows the view in its frame. A block that asks the same as before is left
  // alone, with the focus and what is half chosen in it.
  draw(fresh, news) {
    const { view } = this;
    const focused = name(document.activeElement), held = new Map(this.all().map((el) => [name(el), holds(el)]));
    this.title.textContent = view.title;
    this.leave.textContent = view.close || "Close";
    this.send.textContent = view.submit ?? "";
    this.send.hidden = !view.submit;
    const all = document.createElement("template");
    all.innerHTML = view.html;
    keep(this.body, [...all.content.querySelectorAll(".view > *")], {
      key: (block) => block.dataset.blockId ?? block.outerHTML,
      digest: question,
      make: (block) => {
        dress(block, this.pane);
        for (const el of block.querySelectorAll(controls)) {
          el.told = holds(el).value;
          if (held.has(name(el))) put(el, held.get(name(el)));
          if (el.matches("input") && el.dataset.external) this.searched(el);
          boxes.liven(el, { search: (query) => this.found(el, query), changed: () => { if (el.dataset.dispatch) this.change(el); } });
        }
        return block;
      },
    });
    this.settle();
    const now = this.all();
    const wrong = news && now.find((el) => el.getAttribute("aria-invalid") === "true");
    const lost = fresh || !this.dialog.contains(document.activeElement) || document.activeElement.matches("dialog, .block") || document.activeElement === this.stopgap;
    if (wrong) point(wrong);
    else if (lost) point(now.find((el) => focused && name(el) === focused) ?? now[0] ?? (view.submit ? this.send : this.leave));
    this.stopgap = now.length === 0 && lost ? document.activeElement : undefined; // until there is something to fill in
  }

  // settle places the dialog over the pane it belongs to.
  settle() {
    if (!this.dialog.open) return;
    const r = this.pane.root.getBoundingClientRect(), top = Math.max(r.top, 0) + 52;
    this.dialog.style.width = `${Math.min(r.width - 32, 500)}px`;
    this.dialog.style.left = `${r.left + r.width / 2}px`;
    this.dialog.style.top = `${top}px`;
    this.dialog.style.maxHeight = `${Math.max(Math.min(r.bottom, innerHeight) - top - 16, 320)}px`;
  }

  searched(el) {
    combobox(el, el.closest(".block"), {
      least: Number(el.dataset.minQueryLength),
      search: (query) => this.found(el, query),
      chosen: (option) => {
        el.dataset.value = option?.value ?? "";
        if (option && el.dataset.dispatch) this.change(el);
      },
    });
  }

  async found(el, query) {
    const { options } = await post("slack/suggest", { ...this.place(el), query });
    return options.map((o) => ({ value: o.value, label: o.text.text, hint: o.description?.text }));
  }

  place(el) { return { user: this.user, view: this.view.id, block: el.dataset.blockId, action: el.dataset.actionId }; }

  // change tells the app of a change it asked to hear of, with all else that
  // stands in the form by then.
  change(el) {
    const inside = this.dialog.querySelector(".inside");
    const others = this.all().filter((o) => o !== el && holds(o).value !== o.told);
    const tell = (o) => {
      o.told = holds(o).value;
      const deed = { ...this.place(o), value: o.told };
      return () => post("slack/change", deed);
    };
    const deeds = [...others, el].map(tell);
    inside.setAttribute("aria-busy", "true");
    this.queue(async () => {
      for (const deed of deeds) await deed();
    }).finally(() => inside.removeAttribute("aria-busy"));
  }

  submit() {
    const values = {};
    if (!this.view.submit || this.send.disabled) return;
    for (const el of this.all()) {
      if (el.closest(".block.input")) (values[el.dataset.blockId] ??= {})[el.dataset.actionId] = holds(el).value;
    }
    const deed = { user: this.user, view: this.view.id, values };
    this.send.disabled = true;
    this.queue(async () => {
      const outcome = await post("slack/submit", deed);
      if (outcome.notice) this.tell(outcome.notice);
    }).finally(() => { this.send.disabled = false; });
  }

  close() {
    if (!this.view) return;
    const deed = { user: this.user, view: this.view.id };
    this.queue(() => post("slack/close", deed));
  }

  queue(deed) {
    this.busy = this.busy.then(deed).catch((trouble) => this.tell(trouble.message));
    return this.busy;
  }

  tell(text) {
    const notices = this.dialog.querySelector(".notices");
    if (this.dialog.open && notices) notices.replaceChildren(h("p", { class: "notice error" }, text));
    else this.pane.tell(text);
  }
}

// name is by which an element is known across versions of a view.
function name(el) {
  const { blockId, actionId } = el?.closest?.("[data-action-id]")?.dataset ?? {};
  return actionId ? `${blockId} ${actionId}` : "";
}

// point puts the focus into an input.
function point(el) {
  (el.matches(".boxes") ? el.querySelector("input") ?? el : el).focus();
}

// question is a block without what stands in it.
function question(block) {
  const bare = block.cloneNode(true);
  for (const el of bare.querySelectorAll("[selected]")) el.removeAttribute("selected");
  for (const el of bare.querySelectorAll("input:not([type=checkbox])")) el.removeAttribute("value");
  for (const el of bare.querySelectorAll("[data-external]")) el.removeAttribute("data-value");
  for (const el of bare.querySelectorAll("textarea")) el.textContent = "";
  boxes.bare(bare);
  return bare.outerHTML;
}

// holds is what stands in an element: what is shown, and the value it stands for.
function holds(el) {
  if (el.matches("button")) return { shown: "", value: el.dataset.value ?? "" };
  const held = boxes.holds(el);
  if (held) return held;
  return { shown: el.value, value: el.dataset.external ? el.dataset.value : el.value };
}

function put(el, { shown, value }) {
  if (boxes.put(el, { shown })) return;
  el.value = shown;
  if (el.dataset.external) el.dataset.value = value;
  else if (el.value !== shown) el.value = el.told; // an option that is gone
}
