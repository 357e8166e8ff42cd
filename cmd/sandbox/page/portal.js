// The portal: what people do in Microsoft's own pages, without Belay. Somebody acts
// here as one person at a time; the tenant holds them to the same rules.

import { h, keep, post } from "./dom.js";

export class Portal {
  constructor(root, tenant, moved) {
    this.root = root;
    this.tenant = tenant;
    this.moved = moved;
    this.as = root.querySelector(".as");
    this.form = root.querySelector("form");
    this.role = root.querySelector(".role");
    this.trouble = root.querySelector(".notice");
    this.as.addEventListener("change", () => this.moved());
    this.form.addEventListener("submit", async (e) => {
      e.preventDefault();
      const wanted = this.eligible()[this.role.selectedIndex];
      const why = this.form.querySelector(".why");
      if (!wanted) return;
      const done = await this.act({
        do: "activate", kind: wanted.kind, role: wanted.role, scope: wanted.scope, reason: why.value, duration: this.form.querySelector(".time").value,
      });
      if (done) why.value = "";
    });
  }

  person() { return this.state.cast.find((p) => p.key === this.as.value); }

  is(principal) { return this.person()?.oid === principal; }

  eligible() { return this.state.eligible.filter((e) => this.is(e.principal)); }

  update(state) {
    this.state = state;
    const chosen = this.as.value;
    keep(this.as, state.cast, { key: (p) => p.key, digest: (p) => p.name, make: (p) => h("option", { value: p.key }, p.name) });
    if (chosen) this.as.value = chosen;
    const roles = this.eligible();
    keep(this.role, roles, { key: (e) => `${e.kind} ${e.role} ${e.scope}`, digest: (e) => this.tenant.what(e), make: (e) => h("option", {}, this.tenant.what(e)) });
    this.form.hidden = roles.length === 0;
    this.root.querySelector(".none").hidden = roles.length > 0;
  }

  // button does something as whoever one is here.
  button(label, deed) {
    return h("button", { type: "button", class: "act", onclick: () => this.act(deed) }, label);
  }

  async act(deed) {
    this.trouble.hidden = true;
    let done = true;
    try {
      await post("tenant/portal", { as: this.as.value, ...deed });
    } catch (e) {
      this.trouble.textContent = e.message;
      this.trouble.hidden = false;
      this.root.open = true; // where the trouble stands
      done = false;
    }
    this.moved();
    return done;
  }
}
