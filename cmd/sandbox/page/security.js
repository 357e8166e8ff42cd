// Surprises: what an administrator does in Entra on a click, so that there is something to
// notice. Each can be taken back.

import { h, keep, post } from "./dom.js";

const surprises = [
  { name: "assign-outside-pim", label: "Assign a role outside of PIM", what: "Alice gets Exchange Administrator, for good.", then: "The audit log is read every few minutes: press +1 h." },
  { name: "weaken-settings", label: "Weaken a role's settings", what: "User Administrator: no MFA, no approval, 8 hours.", then: "Ask for it, as Alice." },
];

export class Security {
  constructor(root, moved) {
    this.root = root;
    this.moved = moved;
    this.trouble = root.querySelector(".notice");
    root.querySelector(".report").append(h("a", { href: "posture", target: "_blank", rel: "noopener" }, "How the tenant stands"), ", as ",
      h("code", {}, "belay posture --format html"), " prints it. Carol asks for it in Slack: ", h("code", {}, "/elevate posture"));
  }

  update(state) {
    keep(this.root.querySelector("ul"), surprises.map((s) => ({ ...s, done: state.surprised.includes(s.name) })), {
      key: (s) => s.name,
      digest: (s) => String(s.done),
      make: (s) => h("li", { class: s.done ? "done" : "" },
        h("p", {}, h("strong", {}, s.what), " ", s.done && h("span", { class: "soft" }, s.then)),
        h("button", { type: "button", class: "act", "data-surprise": s.name, onclick: () => this.act(s) }, s.done ? "Take it back" : s.label)),
    });
  }

  async act(s) {
    this.trouble.hidden = true;
    try {
      await post("tenant/surprise", { name: s.name, undo: s.done });
    } catch (e) {
      this.trouble.textContent = e.message;
      this.trouble.hidden = false;
    }
    this.moved();
  }
}
