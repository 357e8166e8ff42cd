// What somebody has seen of a conversation, kept in this browser: the id of the
// newest message. Ids grow and have one length, so they compare as strings.

export class Seen {
  constructor(chat) {
    this.name = `belay-sandbox-seen-${chat}`;
    try {
      this.marks = JSON.parse(localStorage.getItem(this.name)) ?? {};
    } catch {
      this.marks = {}; // without storage, everything is new after a reload
    }
  }

  // fresh counts the ids that are newer than what the person has seen there.
  fresh(person, place, ids) {
    const mark = this.marks[`${person} ${place}`] ?? "";
    return ids.filter((id) => id > mark).length;
  }

  // see marks all of them as seen.
  see(person, place, ids) {
    const key = `${person} ${place}`;
    const newest = ids.reduce((a, b) => (a > b ? a : b), this.marks[key] ?? "");
    if (newest === (this.marks[key] ?? "")) return;
    this.marks[key] = newest;
    try {
      localStorage.setItem(this.name, JSON.stringify(this.marks));
    } catch {
      // kept for this page only
    }
  }
}
