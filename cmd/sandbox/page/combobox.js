// A text box with a list below it that is searched as one types. Slack's
// external selects and the searched choices of Adaptive Cards both use it.

import { h } from "./dom.js";

let serial = 0;

// combobox equips input. search(query) gives a promise of [{value, label, hint}];
// queries shorter than least are not asked. chosen(option) is called with what
// the person took, and with null once the text is no longer that. The list is
// appended to box, which must be positioned.
export function combobox(input, box, { least = 0, search, chosen }) {
  const id = `list-${++serial}`;
  const list = h("ul", { class: "choices", id, role: "listbox", hidden: true, "aria-label": "Found" });
  box.append(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", id);
  input.autocomplete = "off";

  let options = [], answered, at = -1, asked = 0, timer;

  const open = (yes) => {
    list.hidden = !yes;
    input.setAttribute("aria-expanded", String(yes));
    if (!yes) input.removeAttribute("aria-activedescendant");
    if (yes) {
      const edge = input.getBoundingClientRect(), base = box.getBoundingClientRect();
      list.style.top = `${edge.bottom - base.top + 2}px`;
    }
  };
  const point = (n) => {
    at = options.length ? (n + options.length) % options.length : -1;
    [...list.children].forEach((li, i) => li.setAttribute("aria-selected", String(i === at)));
    if (at < 0) return;
    input.setAttribute("aria-activedescendant", list.children[at].id);
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  const take = (option) => {
    input.value = option.label;
    open(false);
    chosen(option);
  };
  const say = (text) => {
    options = [];
    answered = undefined;
    list.replaceChildren(h("li", { class: "word", role: "option", "aria-disabled": "true" }, text));
    open(true);
  };
  const ask = async () => {
    const query = input.value.trim(), mine = ++asked;
    if ([...query].length < least) return open(false);
    if (query === answered) return open(true);
    if (options.length === 0) say("Searching…");
    try {
      const found = await search(query);
      if (mine !== asked) return; // something else was typed meanwhile
      options = found;
    } catch (trouble) {
      if (mine === asked) say(trouble.message);
      return;
    }
    if (options.length === 0) return say("Nothing found.");
    list.replaceChildren(...options.map((o, i) => h("li", {
      id: `${id}-${i}`, role: "option", "aria-selected": "false",
      onpointerdown: (e) => { e.preventDefault(); take(o); },
    }, h("span", {}, o.label), o.hint ? h("small", {}, o.hint) : "")));
    answered = query;
    open(true);
    point(0);
  };

  input.addEventListener("input", () => {
    chosen(null);
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
  input.addEventListener("click", () => { if (list.hidden) { input.select(); ask(); } });
  input.addEventListener("blur", () => { ++asked; open(false); });
  input.addEventListener("keypress", (e) => { if (e.key === "Enter") e.preventDefault(); }); // it takes, and never sends the form
  input.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown" && list.hidden) ask();
    else if (list.hidden) return;
    else if (e.key === "ArrowDown") point(at + 1);
    else if (e.key === "ArrowUp") point(at - 1);
    else if (e.key === "Enter" && at >= 0) take(options[at]);
    else if (e.key === "Escape") open(false);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
}
