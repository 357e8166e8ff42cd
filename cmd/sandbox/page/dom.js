// What the parts of the page share: making elements, keeping lists, talking to
// the sandbox, times.

// h makes an element. A property that begins with "on" is a listener, one that is
// false or undefined is left out, and strings become text, never markup.
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "class") el.className = value;
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return el;
}

// keep brings the children of parent in line with items and leaves those alone
// that say the same as before, so that nothing typed into them is lost. Where the
// new element stands in for one that had the focus, it takes the focus over.
export function keep(parent, items, { key, digest, make }) {
  const had = parent.kept ?? new Map();
  const has = new Map();
  for (const item of items) {
    const id = key(item), says = digest(item);
    const old = had.get(id);
    if (old?.says === says) {
      has.set(id, old);
      continue;
    }
    const el = make(item, old !== undefined);
    const focused = old && old.el.contains(document.activeElement);
    has.set(id, { el, says });
    if (old) old.el.replaceWith(el);
    if (focused) {
      el.tabIndex = -1;
      el.focus({ preventScroll: true });
    }
  }
  for (const [id, old] of had) if (!has.has(id)) old.el.remove();
  let at = parent.firstElementChild;
  for (const { el } of has.values()) {
    if (el === at) at = at.nextElementSibling;
    else parent.insertBefore(el, at);
  }
  parent.kept = has;
}

// Refused is a no of the sandbox, in a sentence for a person.
export class Refused extends Error {}

async function answer(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // no JSON: the status says it all
  }
  if (!response.ok) throw new Refused(body.error ?? `The sandbox answered ${response.status}.`);
  return body;
}

// get reads JSON.
export async function get(path, signal) {
  return answer(await fetch(path, { signal, cache: "no-store" }));
}

// post sends JSON and gives the JSON that comes back. It throws Refused.
export async function post(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Refused("The sandbox does not answer. Is it still running?");
  }
  return answer(response);
}

const full = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });

// Times are shown in the reader's own time zone.
export const moment = (at) => full.format(new Date(at));
export const clock = (at) => hour.format(new Date(at));
export const day = (at) => date.format(new Date(at));

// local is a time as an input of date and time has it, and zone the zone it is in.
export const local = (at) => {
  const t = new Date(at);
  return new Date(t - t.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

// span writes a length of time: "3 h 20 min".
export function span(ms) {
  const minutes = Math.max(0, Math.round(ms / 60000));
  const parts = [[Math.floor(minutes / 1440), "d"], [Math.floor((minutes % 1440) / 60), "h"], [minutes % 60, "min"]];
  return parts.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ") || "less than a minute";
}

// hours is the same for an ISO 8601 duration such as PT1H30M.
export function hours(iso) {
  const [, d = 0, h = 0, m = 0] = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?.*)?$/.exec(iso) ?? [];
  return span(((d * 24 + +h) * 60 + +m) * 60000);
}

// avatar is the round picture of somebody; it says nothing to a screen reader,
// because the name stands beside it.
export function avatar(name, robot) {
  if (robot) return h("img", { class: "avatar robot", src: "belay.svg", alt: "" });
  const initials = name.split(/\s+/).map((part) => part[0] ?? "").slice(0, 2).join("").toUpperCase();
  return h("span", { class: `avatar hue${name.charCodeAt(0) % 6}`, "aria-hidden": "true" }, initials);
}

// badge is the number of new things; empty when there is none.
export function badge(count) {
  if (count === 0) return h("span", { class: "badge none" });
  return h("span", { class: "badge" }, String(count), h("span", { class: "only-heard" }, " new"));
}

// outside tells whether a link leaves this machine.
export function outside(url) {
  const host = new URL(url, location.href).hostname;
  return host !== "localhost" && host !== "[::1]" && !host.startsWith("127.");
}
