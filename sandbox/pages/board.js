"use strict";

const POLL_EVERY = 1000;
const NEAR_END = 60; // pixels; closer than this to the newest message, the view follows it

/* Dates as Slack writes them, in the reader's own language and time zone. */

const DATE_PARTS = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { year: "numeric", month: "long", day: "numeric" },
  date_short: { year: "numeric", month: "short", day: "numeric" },
  date_long: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  time: { hour: "2-digit", minute: "2-digit" },
  time_secs: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
};

function nearDay(moment) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
  const days = Math.round((midnight(moment) - midnight(new Date())) / 86400000);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
}

function ago(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]].find(
    ([, each]) => Math.abs(seconds) >= each || each === 1,
  );
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

function datePart(name, moment) {
  if (name === "ago") return ago(moment);
  const near = name.endsWith("_pretty") && nearDay(moment);
  const parts = DATE_PARTS[name.replace("_pretty", "")];
  if (!parts) return `{${name}}`;
  return near || new Intl.DateTimeFormat(undefined, parts).format(moment);
}

function formatDate(format, moment) {
  return format.replace(/\{(\w+)\}/g, (_, name) => datePart(name, moment));
}

function localise(node) {
  for (const time of node.querySelectorAll("time[data-format]")) {
    const moment = new Date(time.getAttribute("datetime"));
    time.textContent = formatDate(time.dataset.format, moment);
    time.title = moment.toLocaleString();
  }
  for (const attachment of node.querySelectorAll("[data-colour]")) {
    attachment.style.setProperty("--bar", attachment.dataset.colour);
  }
}

/* Lists that change only where their items did: no flicker, no lost selection, no lost scroll position. */

function build(item) {
  const template = document.createElement("template");
  template.innerHTML = item.html.trim(); // escaped by the server, which tests it with hostile text
  const node = template.content.firstElementChild;
  node.dataset.key = item.key;
  node.source = item.html;
  localise(node);
  return node;
}

/* What a person has opened stays open, and the keyboard stays where it was. */
function replace(node, fresh) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  const unfolded = node.querySelector("details.earlier")?.open;
  node.replaceWith(fresh);
  if (unfolded) fresh.querySelector("details.earlier")?.setAttribute("open", "");
  if (focused?.dataset.action) {
    const { action, block } = focused.dataset;
    [...fresh.querySelectorAll("[data-press]")]
      .find((one) => one.dataset.action === action && one.dataset.block === block)
      ?.focus();
  }
}

function reconcile(list, items, mark) {
  const old = new Map([...list.children].map((node) => [node.dataset.key, node]));
  items.forEach((item, index) => {
    let node = old.get(item.key);
    if (node?.source !== item.html) {
      const fresh = build(item);
      if (mark) fresh.classList.add("fresh");
      if (node) replace(node, fresh);
      node = fresh;
    }
    old.delete(item.key);
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
  for (const node of old.values()) node.remove();
}

class Pane {
  constructor(root, follow) {
    this.root = root;
    this.follow = follow;
    this.list = root.querySelector(".list");
    this.scroller = root.querySelector(".scroller");
    this.tabs = root.querySelector(".tab-list");
    this.seen = new Map(); // key of a group -> how many items it had
    this.groups = [];
    this.chosen = null; // what is shown
    this.pinned = false; // whether a person chose it
  }

  update(groups) {
    this.groups = groups;
    const first = this.chosen === null;
    const known = groups.some((group) => group.key === this.chosen);
    const newest = (some) => some.reduce((one, other) => (other.latest >= (one?.latest ?? "") ? other : one), null);
    const grown = newest(groups.filter((group) => group.total > (this.seen.get(group.key) ?? 0)));
    if (!known) this.pinned = false;
    if (!this.pinned && (grown || !known)) this.chosen = (grown ?? newest(groups))?.key ?? null;
    for (const group of groups) this.seen.set(group.key, group.total);
    this.show(!first);
  }

  choose(key) {
    this.chosen = key;
    this.pinned = true;
    this.list.replaceChildren();
    this.show(false);
  }

  show(mark) {
    const group = this.groups.find((one) => one.key === this.chosen);
    const items = group?.items ?? [];
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.list.dataset.group !== (group?.key ?? "")) this.list.replaceChildren();
    this.list.dataset.group = group?.key ?? "";
    reconcile(this.list, items, mark);
    this.root.classList.toggle("is-empty", items.length === 0);
    this.showTabs();
    this.showHeader(group);
    if (this.follow && atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  showTabs() {
    const wanted = this.groups.map((group) => [group.key, group.name, group.total, group.key === this.chosen].join("\n"));
    if (this.tabs.source === wanted.join("\n\n")) return;
    this.tabs.source = wanted.join("\n\n");
    const focused = document.activeElement?.dataset?.tab;
    this.tabs.replaceChildren(...this.groups.map((group) => this.tab(group)));
    if (focused) [...this.tabs.children].find((tab) => tab.dataset.tab === focused)?.focus();
  }

  tab(group) {
    const tab = document.createElement("button");
    const count = document.createElement("span");
    tab.type = "button";
    tab.className = "tab";
    tab.dataset.tab = group.key;
    tab.textContent = group.name;
    tab.setAttribute("aria-pressed", group.key === this.chosen);
    count.className = "count";
    count.textContent = group.total;
    tab.append(count);
    tab.addEventListener("click", () => this.choose(group.key));
    return tab;
  }

  showHeader(group) {
    const name = this.root.querySelector(".view-name");
    if (!name) return;
    name.textContent = group?.name ?? "no channel yet";
    this.root.querySelector(".view-id").textContent = group && !group.key.startsWith("#") ? group.key : "";
  }
}

/* Fault switches. */

const switches = [...document.querySelectorAll(".switch")];
const allOff = document.querySelector(".switch-off");

function showFaults(faults) {
  const active = new Map(faults.map((fault) => [fault.name, fault.hits]));
  for (const button of switches) {
    const hits = active.get(button.dataset.name);
    button.setAttribute("aria-pressed", hits !== undefined);
    button.querySelector(".hits").textContent = hits ? `×${hits}` : "";
  }
  allOff.disabled = faults.length === 0;
}

async function flip(button) {
  const on = button.getAttribute("aria-pressed") === "true";
  if (on) await fetch(`_sandbox/faults?name=${encodeURIComponent(button.dataset.name)}`, { method: "DELETE" });
  else await fetch("_sandbox/faults", { method: "POST", body: `[${button.dataset.rule}]` });
  await refresh();
}

for (const button of switches) button.addEventListener("click", () => flip(button).catch(showLost));
allOff.addEventListener("click", () => fetch("_sandbox/faults", { method: "DELETE" }).then(refresh).catch(showLost));

/* Who is looking. */

const me = document.querySelector(".me select");
if ([...me.options].some((option) => option.value === localStorage.me)) me.value = localStorage.me;
me.addEventListener("change", () => {
  localStorage.me = me.value;
  refresh().catch(showLost);
});

/* Buttons and menus: ask where they want it, tell the app, and open what links. */

const dialog = document.querySelector("dialog.confirm");

function confirmed(words) {
  dialog.querySelector("h3").textContent = words.title;
  dialog.querySelector("p").textContent = words.text;
  dialog.querySelector(".deny").textContent = words.deny;
  const yes = dialog.querySelector(".yes");
  yes.textContent = words.confirm;
  yes.className = `button yes ${words.style === "danger" ? "danger" : "primary"}`;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function press(node, selected) {
  const { ts, action, block, value } = node.dataset;
  const click = { channel: slack.chosen, ts, action_id: action, block_id: block, user: me.value };
  if (selected !== undefined) click.selected = selected;
  else if (value) click.value = value;
  node.setAttribute("aria-busy", "true");
  try {
    await fetch("_sandbox/click", { method: "POST", body: JSON.stringify(click) });
  } finally {
    node.removeAttribute("aria-busy");
    await refresh();
  }
}

async function act(node, selected) {
  const { confirm } = node.dataset;
  if (confirm && !(await confirmed(JSON.parse(confirm)))) return;
  if (confirm && node.href) window.open(node.href, "_blank", "noopener");
  await press(node, selected);
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.overflow[open]")) {
    if (!menu.contains(event.target) || event.target.closest("[data-press]")) menu.open = false;
  }
  const node = event.target.closest("[data-press]");
  if (!node || node.matches("select") || node.hasAttribute("aria-busy")) return;
  if (node.dataset.confirm) event.preventDefault();
  act(node, node.dataset.selected).catch(showLost);
});

document.addEventListener("change", (event) => {
  const node = event.target.closest("select[data-press]");
  if (node) act(node, node.value).catch(showLost);
});

/* Once a second: ask, show. */

const slack = new Pane(document.querySelector(".slack"), true);
const servicenow = new Pane(document.querySelector(".servicenow"), false);
const lost = document.querySelector(".lost");

function showLost() {
  lost.hidden = false;
}

async function refresh() {
  const response = await fetch(`_sandbox/board?me=${encodeURIComponent(me.value)}`, { signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(`the sandbox answered ${response.status}`);
  const board = await response.json();
  lost.hidden = true;
  slack.update(board.channels);
  servicenow.update(board.instances);
  showFaults(board.faults);
  document.querySelector(".counts").textContent =
    `${board.calls.slack} calls to Slack, ${board.calls.servicenow} to ServiceNow`;
}

async function poll() {
  if (!document.hidden) await refresh().catch(showLost);
  setTimeout(poll, POLL_EVERY);
}

document.addEventListener("visibilitychange", () => document.hidden || refresh().catch(showLost));
poll();
