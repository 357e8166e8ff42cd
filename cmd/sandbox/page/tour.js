// The guided tour: five steps, each ticked off when it has happened in the chats
// and in the tenant, whoever did it and however. It points at the right place and
// never does anything for the person.

import { h, keep } from "./dom.js";

const role = "User Administrator", security = "security-alerts";
const titles = [
  "Alice links her account", "She asks for a role", "An approver decides", "The role is active", "The role ends by itself",
];

export class Tour {
  constructor(root, { slack, teams, tenant }) {
    Object.assign(this, { root, slack, teams, tenant });
    this.bar = root.querySelector(".say");
    this.button = root.querySelector(".show");
    this.button.addEventListener("click", () => this.goal?.());
  }

  // read is all that the tour looks at.
  read() {
    const t = this.tenant.state, chat = this.slack.pane.state, teams = this.teams.pane.state;
    const alice = t.cast.find((p) => p.key === "alice"), roleId = t.roles.find((r) => r.name === role)?.id;
    const mine = (x) => (x.principal ?? x.target) === alice.oid && x.role === roleId;
    const audit = t.audit.filter(mine);
    const open = t.requests.filter((r) => mine(r) && r.action === "selfActivate" && !["Denied", "Canceled", "Failed"].includes(r.status));
    const approval = (r) => audit.find((a) => a.requestId === r.id && a.activity.includes("request approved"));
    const request = open.find(approval) ?? open[0];
    const approved = request && approval(request);
    const dm = chat.channels.find((c) => c.user === alice.slack)?.messages ?? [];
    const bobs = teams.conversations.find((c) => c.kind === "personal" && c.name === "bob")?.activities ?? [];
    const view = chat.views.findLast((v) => v.user === alice.slack);
    const heard = (text) => text.includes(`${role} is active`);
    const link = `${t.bot}/link/`;
    return {
      alice, view, approved,
      alerted: this.alerted(),
      asked: Boolean(request),
      denied: t.requests.some((r) => mine(r) && r.status === "Denied"),
      linkShown: dm.some((m) => m.html.includes(link)),
      linked: dm.some((m) => m.html.includes('data-action-id="unlink')),
      bobSigns: bobs.some((a) => !a.deleted && JSON.stringify(a.views?.bob ?? a.card ?? "").includes(link)),
      approver: approved && this.tenant.name(approved.actor),
      active: Boolean(approved) && approved.actorKind === "user" && audit.some((a) => a.requestId === request.id && a.activity.includes("completed"))
        && chat.channels.some((c) => !c.user && c.messages.some((m) => heard(m.html)))
        && teams.conversations.some((c) => c.kind === "channel" && c.activities.some((a) => heard(JSON.stringify(a.card ?? "")))),
      ended: Boolean(approved) && audit.some((a) => a.activity.startsWith("Remove member from role") && a.time > approved.time) && !t.active.some((a) => mine(a)),
    };
  }

  // alerted tells that something new stands in the channel of the security team: how Belay found the
  // tenant is told there before anybody does anything.
  alerted() {
    return [this.slack, this.teams].some((chat) => chat.people(chat.pane.state).some((who) => chat.places(chat.pane.state, who.id)
      .some((place) => place.name === security && chat.pane.fresh(who.id, place.id) > 0)));
  }

  update() {
    if (!this.tenant.state || !this.slack.pane.state || !this.teams.pane.state) return;
    const now = this.read();
    const done = [now.linked, now.asked, Boolean(now.approved), now.active, now.ended];
    for (let n = done.length - 2; n >= 0; n--) done[n] ||= done[n + 1]; // what came later needed it
    const at = done.indexOf(false);
    keep(this.root.querySelector("ol"), titles.map((title, n) => ({ title, n, done: done[n], at: n === at })), {
      key: (s) => s.n,
      digest: (s) => JSON.stringify(s),
      make: (s) => h("li", { class: s.done ? "done" : s.at ? "now" : "", "aria-current": s.at && "step" },
        h("span", { class: "tick", "aria-hidden": "true" }, s.done ? "✓" : String(s.n + 1)),
        h("span", {}, s.title, s.done && h("span", { class: "only-heard" }, ", done"))),
    });
    const [goal, ...words] = this.say(at, now);
    this.goal = goal;
    this.button.hidden = !goal;
    const says = JSON.stringify(words);
    if (says !== this.says) this.bar.replaceChildren(...words.map((w) => (w.startsWith("*") ? h("strong", {}, w.slice(1)) : w)));
    this.says = says;
  }

  // say gives where to go and what to do there; words with a star are what to
  // type or press.
  say(at, now) {
    const alice = () => this.slack.pane.go(now.alice.slack, this.slack.places(this.slack.pane.state, now.alice.slack)[0].id);
    const bob = () => this.teams.pane.go("bob", this.teams.places(this.teams.pane.state, "bob")[0].id);
    const slackBox = () => { alice(); point(this.slack.pane.box); };
    const inSlack = (selector) => () => { alice(); point(last(this.slack.pane.messages, selector) ?? this.slack.pane.box); };
    const inTeams = (label) => () => {
      bob();
      const all = [...this.teams.pane.messages.querySelectorAll(".ac-pushButton")].filter((b) => b.textContent.trim() === label);
      point(all.at(-1) ?? this.teams.pane.box);
    };
    const look = this.slack.pane.person === now.alice.slack ? null : alice; // her window is open already
    switch (at) {
      case 0:
        if (!now.linkShown) {
          return [slackBox, "In Slack you are Alice. Type ", "*/elevate", " into the message box and press ", "*Enter", ".",
            ...(now.alerted ? [" What is new in ", `*#${security}`, " already, for Frank and Bob, is how Belay found the tenant. It can wait."] : [])];
        }
        return [inSlack("a[href*='/link/']"), "Press ", "*Sign in", " on Belay's message. In the tab that opens press ", "*Continue",
          ", tell Slack and then Entra that you are Alice, and approve on the phone. Then come back here."];
      case 1:
        if (!now.view?.html.includes('data-action-id="role"')) { // no form is open
          return [inSlack("button[data-action-id^=elevate]"), now.denied ? "It was denied. Ask again: press " : "She is linked, once and for all. Press ", "*Choose a role",
            " on Belay's message, or type ", "*/elevate", " again."];
        }
        if (!now.view.html.includes(`${role} needs`)) return [look, "Choose ", `*${role}`, " in Slack's window. Belay reads what its PIM policy asks, and who may approve."];
        return [look, "Say for how long and why, and press ", "*Send", ". The request is made with Alice's own sign-in."];
      case 2:
        if (now.bobSigns) {
          return [inTeams("Sign in"), "Bob has never signed in, so his word counts for nothing yet. Press ", "*Sign in", " on his card, ", "*Continue",
            ", choose Bob, and approve on the phone. Belay then goes on by itself."];
        }
        return [inTeams("Approve"), "Be ", "*Bob", " in Teams and press ", "*Approve", " on the card. Carol has the same card in Slack: the first decision counts."];
      case 3:
        return [() => point(document.querySelector("#audit-title")), "Watch: Microsoft sets the role up, every card turns true, and ", "*#access-notices", " hears of it in both chats."];
      case 4:
        return [() => point(document.querySelector("[data-advance='8h']")), "Alice is told, ", "*#access-notices", ` heard in both chats, and the audit log says that ${now.approver}, a user, approved: no application wrote anything. Now press `,
          "*+8 h", " on the tenant's clock."];
    }
    const team = () => { document.querySelector(".security").open = true; point(document.querySelector(".security summary")); };
    return [team, "The role has ended, and everybody was told. Now try what you like. In Alice's form: the group ", "*First-Line Support", " and the role that it opens, ",
      "*Contributor", " on one Azure resource group only, several roles at once. Her ", "*Home", " tab in Slack shows all of it. Ask as Dave in ", "*Microsoft's own portal",
      " and decide in a chat, or the other way round. ", "*For the security team", ", below it, sets off what should be noticed; as Carol type ", "*/elevate posture", " or ", "*/elevate checklist",
      ". ", "*/elevate help", " says what Belay understands."];
  }
}

const last = (root, selector) => [...root.querySelectorAll(selector)].at(-1);

// point puts the focus somewhere and shows where that is.
function point(el) {
  if (!el.matches("input, button, a")) el.tabIndex = -1;
  el.scrollIntoView({ block: "nearest" });
  el.focus({ preventScroll: true });
  el.classList.remove("pointed");
  requestAnimationFrame(() => el.classList.add("pointed"));
  el.addEventListener("animationend", () => el.classList.remove("pointed"), { once: true });
}
