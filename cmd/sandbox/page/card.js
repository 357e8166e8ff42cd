// Adaptive Cards, rendered by Microsoft's own library. Three things are added: the
// looks of Teams, a searched choice that remembers values (the library's own
// gives back what is shown instead), and Teams' chart of lines, which the library
// does not have.

import { elsewhere } from "./blocks.js";
import { combobox } from "./combobox.js";
import { h, outside } from "./dom.js";

const AC = globalThis.AdaptiveCards;

// Colours are names of the style sheet, so that a card follows light and dark.
const ink = (name) => ({ default: `var(--card-${name})`, subtle: `var(--card-${name}-soft)` });
const colors = Object.fromEntries(["default", "dark", "light", "accent", "good", "warning", "attention"]
  .map((name) => [name, ink(["dark", "light"].includes(name) ? "default" : name)]));
const look = (background) => ({ backgroundColor: background, borderColor: "var(--line)", foregroundColors: colors });

const host = new AC.HostConfig({
  fontFamily: "inherit",
  supportsInteractivity: true,
  fontSizes: { small: 12, default: 14, medium: 16, large: 18, extraLarge: 24 },
  fontWeights: { lighter: 300, default: 400, bolder: 600 },
  spacing: { small: 6, default: 10, medium: 14, large: 18, extraLarge: 24, padding: 12 },
  separator: { lineThickness: 1, lineColor: "var(--line)" },
  containerStyles: {
    default: look("var(--card)"), emphasis: look("var(--card-emphasis)"), accent: look("var(--card-emphasis)"),
    good: look("var(--card-emphasis)"), warning: look("var(--card-emphasis)"), attention: look("var(--card-emphasis)"),
  },
  inputs: { label: { inputSpacing: "small", requiredInputs: { suffix: " *", suffixColor: "attention" }, optionalInputs: {} }, errorMessage: { color: "attention", size: "small", spacing: "small" } },
  actions: { maxActions: 6, spacing: "medium", buttonSpacing: 8, actionsOrientation: "horizontal", actionAlignment: "left", preExpandSingleShowCardAction: false },
});

class Choices extends AC.ChoiceSetInput {
  internalRender() {
    if (!this.choicesData?.dataset) return super.internalRender();
    const start = this.choices.find((c) => c.value === this.defaultValue);
    this.taken = start && { value: start.value, label: start.title };
    this.box = h("input", { type: "text", class: "ac-input", placeholder: this.placeholder ?? "" });
    this.box.value = this.taken?.label ?? "";
    const frame = h("div", { class: "searched" }, this.box);
    combobox(this.box, frame, {
      search: async (query) => {
        const others = Object.fromEntries(this.getRootElement().getAllInputs().filter((i) => i !== this && i.value).map((i) => [i.id, String(i.value)]));
        const found = await this.getRootElement().live.search(this.id, query, others);
        return found.map((c) => ({ value: c.value, label: c.title }));
      },
      chosen: (option) => { this.taken = option; this.valueChanged(); },
    });
    return frame;
  }

  isDynamicTypeahead() { return false; } // that is the library's own list
  get value() { return this.box ? this.taken?.value : super.value; }
  isSet() { return Boolean(this.value); }
  isValid() { return this.box ? !this.box.value || Boolean(this.taken) : super.isValid(); }
  focus() { if (this.box) this.box.focus(); else super.focus(); }
}

class LineChart extends AC.CardElement {
  getJsonTypeName() { return "Chart.Line"; }
  internalParse(source, context) {
    super.internalParse(source, context);
    this.lines = source.data ?? [];
    this.name = source.title ?? "";
  }

  internalRender() {
    const all = this.lines.flatMap((l) => l.values);
    const days = all.map((v) => Date.parse(v.x));
    const from = Math.min(...days), span = Math.max(1, Math.max(...days) - from), top = Math.max(1, ...all.map((v) => v.y));
    const svg = drawn("svg", { viewBox: "-2 -2 404 124", role: "img", "aria-label": this.name, stroke: "currentColor" });
    const legend = h("p", {});
    this.lines.forEach((l, i) => {
      const points = l.values.map((v) => `${(400 * (Date.parse(v.x) - from)) / span},${120 - (120 * v.y) / top}`);
      svg.append(drawn("polyline", { class: `series-${i}`, fill: "none", points: points.join(" ") }));
      legend.append(h("span", { class: `series-${i}` }, `${l.legend}: ${l.values[0].y} → ${l.values.at(-1).y}`), " ");
    });
    return h("figure", { class: "chart" }, h("figcaption", {}, this.name), svg, legend);
  }
}

// drawn is an element of SVG.
function drawn(name, attributes) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  return el;
}

AC.GlobalRegistry.elements.register("Input.ChoiceSet", Choices);
AC.GlobalRegistry.elements.register("Chart.Line", LineChart);
AC.AdaptiveCard.onProcessMarkdown = (text, result) => { // Belay's cards have none
  result.outputHtml = h("p", {}, text).outerHTML;
  result.didProcess = true;
};

// render renders a card. live.press(button, inputs) is called for what goes to
// the bot, live.search(input, query, inputs) while one types into a searched
// choice, and live.tell(text) for a link that leads nowhere here.
export function render(json, live) {
  const card = new AC.AdaptiveCard();
  card.hostConfig = host;
  card.live = live;
  card.onExecuteAction = (action) => act(card, json, action, live);
  card.parse(json, new AC.SerializationContext(AC.Versions.latest));
  const el = card.render();
  if (!el) return h("p", { class: "notice error" }, "This card cannot be shown.");
  el.classList.add("card");
  return el;
}

async function act(card, json, action, live) {
  if (action instanceof AC.OpenUrlAction) {
    if (outside(action.url)) live.tell(elsewhere(action.url));
    else open(action.url, "_blank", "noopener");
    return;
  }
  const el = card.renderedElement;
  if (!(action instanceof AC.SubmitActionBase) || el.hasAttribute("aria-busy")) return;
  const inputs = {};
  if (action.associatedInputs !== "none") {
    for (const input of card.getAllInputs()) inputs[input.id] = String(input.value ?? "");
  }
  el.setAttribute("aria-busy", "true");
  await live.press(nameOf(action, json), inputs);
  el.removeAttribute("aria-busy");
}

// nameOf is what only this button of the card is called.
function nameOf(action, json) {
  const all = [];
  (function walk(v) {
    if (Array.isArray(v)) v.forEach(walk);
    else if (v && typeof v === "object") {
      if (String(v.type).startsWith("Action.")) all.push(v);
      else Object.values(v).forEach(walk);
    }
  })(json);
  const names = [action.title, action.verb, action.id].filter(Boolean);
  return names.find((n) => all.filter((a) => [a.title, a.verb, a.id].includes(n)).length === 1) ?? action.title;
}
