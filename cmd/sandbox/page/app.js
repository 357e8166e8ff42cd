// The page: two chats, the tenant and the tour, each brought up to date as soon
// as something happens.

import { get } from "./dom.js";
import { Slack } from "./slack.js";
import { Teams } from "./teams.js";
import { Tenant } from "./tenant.js";
import { Tour } from "./tour.js";

const slack = new Slack(document.querySelector("#slack"));
const teams = new Teams(document.querySelector("#teams"));
const tenant = new Tenant(document.querySelector("#tenant"), { moved: () => readTenant() });
const tour = new Tour(document.querySelector("#tour"), { slack, teams, tenant });
const title = document.title;

function drawn() {
  tour.update();
  const news = slack.pane.news() + teams.pane.news();
  document.title = news ? `(${news}) ${title}` : title;
}

let latest = 0;
async function readTenant() {
  const mine = ++latest;
  try {
    const state = await get("tenant/state");
    if (mine !== latest) return;
    tenant.update(state);
    drawn();
  } catch {
    // follow says so when the sandbox is gone
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const lost = document.querySelector("#lost");

// follow shows one chat, and what is new there as soon as it is. A tab in the
// background hears nothing: browsers allow six connections, and each open tab
// would hold two.
async function follow(path, show) {
  let revision;
  for (;;) {
    if (document.hidden && revision !== undefined) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    try {
      const state = await get(revision === undefined ? path : `${path}?since=${revision}`);
      revision = state.revision;
      lost.hidden = true;
      show(state);
      readTenant();
    } catch (trouble) {
      console.error(trouble);
      lost.hidden = false;
      revision = undefined;
      await pause(2000);
    }
  }
}

await readTenant();
for (const chat of [slack, teams]) chat.pane.root.addEventListener("drawn", drawn);
follow("slack/state", (state) => slack.update(state));
follow("teams/state", (state) => teams.update(state, tenant.state.cast));
setInterval(() => { if (!document.hidden) readTenant(); }, 5000);
