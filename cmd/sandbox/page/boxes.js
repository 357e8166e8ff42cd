// The inputs of Slack's modals that hold more than a line of text: boxes, of which
// several can be ticked, and dates with a time. What the server renders is brought to
// life here; modal.js asks what stands in them.

import { combobox } from "./combobox.js";
import { h } from "./dom.js";

const ticks = (el) => [...el.querySelectorAll(".box input")];

// holds is what stands in such an input: what is shown, and the value it stands for
// on the wire. undefined: it is another kind of input.
export function holds(el) {
  if (el.matches(".boxes")) {
    const on = ticks(el).filter((t) => t.checked);
    return { shown: on.map((t) => ({ value: t.value, label: labelOf(t) })), value: on.map((t) => t.value).join(",") };
  }
  if (el.matches("[type=datetime-local]")) return { shown: el.value, value: el.value && String(Date.parse(el.value) / 1000) };
  return undefined;
}

// put has it hold what was held. False: it is another kind of input.
export function put(el, { shown }) {
  if (el.matches("[type=datetime-local]")) el.value = shown;
  else if (!el.matches(".boxes")) return false;
  else if (el.dataset.external) {
    for (const t of ticks(el)) t.closest(".box").remove();
    for (const option of shown) el.append(box(option));
  } else for (const t of ticks(el)) t.checked = shown.some((o) => o.value === t.value);
  return true;
}

// liven lets boxes be ticked up to their number, and found where they are searched.
// search(query) gives a promise of [{value, label, hint}]; changed() is told of what
// is found and taken.
export function liven(el, { search, changed }) {
  if (!el.matches(".boxes")) return;
  const full = () => {
    const most = Number(el.dataset.most ?? Infinity), all = ticks(el), on = all.filter((t) => t.checked).length;
    for (const t of all) t.disabled = !t.checked && on >= most;
    if (find) find.disabled = on >= most;
  };
  const find = el.dataset.external && h("input", { type: "text", class: "find", placeholder: "Type to search", "aria-label": "Search" });
  if (find) {
    el.prepend(find);
    combobox(find, el, {
      least: Number(el.dataset.minQueryLength), search,
      chosen: (option) => {
        if (!option) return;
        find.value = "";
        const has = ticks(el).find((t) => t.value === option.value);
        if (has) has.checked = true;
        else el.append(box(option));
        full();
        changed();
      },
    });
  }
  el.addEventListener("change", full);
  full();
}

// bare takes what stands in them out of a block, to tell what it asks.
export function bare(block) {
  for (const el of block.querySelectorAll(".boxes[data-external] .box")) el.remove();
  for (const el of block.querySelectorAll(".box input")) el.removeAttribute("checked");
  for (const el of block.querySelectorAll("[data-at]")) el.removeAttribute("data-at");
}

const labelOf = (t) => t.closest(".box").querySelector("span").textContent;

const box = (option) => h("label", { class: "box" }, ticked(option.value), " ", h("span", {}, option.label));

function ticked(value) {
  const t = h("input", { type: "checkbox", value });
  t.checked = true;
  return t;
}
