// Rendered Block Kit, and links in general.

import { local, moment, outside } from "./dom.js";

// dress gives rendered Block Kit what only the page knows: the reader's time
// zone, and that links which leave this machine lead nowhere here.
export function dress(el, pane) {
  for (const time of el.querySelectorAll("time[datetime]")) time.textContent = moment(time.dateTime);
  for (const input of el.querySelectorAll("input[data-at]")) input.value = input.dataset.at && local(input.dataset.at);
  for (const a of el.querySelectorAll("a[href]")) {
    if (!outside(a.href)) continue;
    a.addEventListener("click", (e) => {
      e.preventDefault();
      pane.tell(elsewhere(a.href), "message");
    });
  }
}

export const elsewhere = (url) => `In a real tenant this opens ${new URL(url).host}. The sandbox has no such page, and nothing here leaves your machine.`;
