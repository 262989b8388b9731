// Wires the store's page: asks the node how its store is each second, and shows it.

import { get, post, reason } from "./api.js";
import { Ask } from "./ask.js";
import { byteRate, byteSize, count, counted, duration, element, microseconds, setText } from "./format.js";
import { Keys } from "./keys.js";
import { places, Theme } from "./shell.js";
import { Sparkline } from "./sparkline.js";
import { Clients, Commands, SlowLog } from "./store-tables.js";
import { Value } from "./value.js";

const $ = (id) => document.getElementById(id);
const EVERY_MS = 1000;
/** Clients and the slow log change less often. */
const SELDOM_MS = 4000;
/** How long what was begun is told; then the figures tell what came of it. */
const NOTICE_MS = 6000;

new Theme();
const ask = new Ask();
const commands = new Commands();
const slowLog = new SlowLog(ask);
const clients = new Clients();
const sparks = { memory: new Sparkline($("memory-spark")), rate: new Sparkline($("rate-spark")) };

const value = new Value(ask, (key) => {
  keys.mark(key);
  keys.load();
});
const keys = new Keys((key, database) => {
  keys.mark(key);
  value.open(key, database);
  // On a narrow page the value stands below the list.
  if ($("value").getBoundingClientRect().top > innerHeight * 0.8) $("value").scrollIntoView({ block: "start" });
  $("value").focus({ preventScroll: true });
});
$("keys-database").addEventListener("change", () => {
  keys.mark(null);
  value.close();
});

// ── How the store is ───────────────────────────────────────────────────────────────────────────────────────────────

let last = null;

function show(store) {
  const total = store.databases.reduce((sum, { keys: number }) => sum + number, 0);
  const expiring = store.databases.reduce((sum, { expiring: number }) => sum + number, 0);
  setText($("keys-now"), count(total));
  const spread = store.databases.length > 1 ? `in ${store.databases.length} databases · ` : "";
  setText($("keys-under"), total ? `${spread}${count(expiring)} expire` : "none yet");

  const { memory } = store;
  setText($("memory-now"), byteSize(memory.used_bytes));
  const limit = memory.limit_bytes ? `of ${byteSize(memory.limit_bytes)}, ${memory.policy}` : "no limit";
  $("memory-under").classList.toggle("bad", memory.limit_bytes > 0 && memory.used_bytes > memory.limit_bytes);
  setText($("memory-under"), `${limit} · peak ${byteSize(memory.peak_bytes)}`);
  sparks.memory.add(memory.used_bytes);

  const { log, snapshot, totals } = store;
  setText($("log-now"), byteSize(log.bytes));
  const behind = log.last_index - log.durable_index;
  $("log-under").classList.toggle("bad", Boolean(store.trouble));
  const durable = behind > 0 ? `${count(behind)} to be synced` : "all durable";
  setText($("log-under"), store.trouble ? "writes are refused" : `fsync ${log.fsync} · ${durable}`);

  const age = snapshot.age_ms == null ? "none" : duration(snapshot.age_ms);
  setText($("snapshot-now"), snapshot.is_running ? "writing" : age);
  $("snapshot-under").classList.toggle("bad", Boolean(snapshot.error));
  const since = `${counted(snapshot.changes_since, "change")} since`;
  const size = snapshot.age_ms == null ? since : `${byteSize(snapshot.bytes)} · ${since}`;
  setText($("snapshot-under"), snapshot.error ? "the last attempt failed" : size);

  rates(store.at_ms, totals);
  facts(store);
  trouble(store.trouble);
  keys.takeDatabases(store.databases);
}

function rates(atMs, totals) {
  const before = last;
  last = { at_ms: atMs, totals };
  const seconds = before ? (atMs - before.at_ms) / 1000 : 0;
  // Counters that went back belong to a store that was started again, or whose counts were.
  if (!(seconds > 0) || totals.commands < before.totals.commands) return;
  const rate = (key) => Math.max(0, totals[key] - before.totals[key]) / seconds;
  setText($("rate-now"), `${count(Math.round(rate("commands")))}/s`);
  setText($("rate-under"), `${byteRate(rate("bytes_in"))} in · ${byteRate(rate("bytes_out"))} out`);
  sparks.rate.add(rate("commands"));
}

function facts({ log, snapshot, totals, memory, uptime_ms: uptime, trouble: why }) {
  const { sync } = log;
  const asked = totals.hits + totals.misses;
  const rows = [
    ["Made durable", { every: "before each answer", interval: "at an interval", none: "when the system chooses" }[log.fsync] ?? log.fsync],
    ["A sync takes", sync ? `${microseconds(sync.p50_us)}, at worst ${microseconds(sync.max_us)}` : "none yet"],
    ["99 of 100 syncs take", sync ? `at most ${microseconds(sync.p99_us)}` : "–"],
    ["Last record", count(log.last_index)],
    ["Durable up to", count(log.durable_index)],
    ["Waiting for the disk", byteSize(log.in_flight_bytes)],
    ["Log", `${byteSize(log.bytes)} in ${counted(log.segments, "file")}`],
    ["Log state", why ?? "well", Boolean(why)],
    ["Last snapshot", snapshot.age_ms == null ? "none" : `${byteSize(snapshot.bytes)}, ${duration(snapshot.age_ms)} ago`],
    ["It covers up to", snapshot.age_ms == null ? "–" : `record ${count(snapshot.index)}`],
    ["Snapshot state", snapshot.error ?? (snapshot.is_running ? "one is being written" : "well"), Boolean(snapshot.error)],
    ["Expired, evicted", `${count(totals.expired)}, ${count(totals.evicted)} keys`],
    ["Keys found", asked ? `${Math.floor((totals.hits / asked) * 100)}% of ${count(asked)} asked for` : "none asked for"],
    ["Memory resident", byteSize(memory.resident_bytes)],
  ];
  const list = $("durable-facts");
  if (list.childElementCount !== rows.length) {
    const row = ([name]) => element("div", { children: [element("dt", { text: name }), element("dd")] });
    list.replaceChildren(...rows.map(row));
  }
  rows.forEach(([, text, bad], index) => {
    const shown = list.children[index].lastElementChild;
    setText(shown, text);
    shown.classList.toggle("bad", Boolean(bad));
  });
  setText($("durable-hint"), `serving for ${duration(uptime)}`);
}

function trouble(why) {
  $("trouble").hidden = !why;
  if (why) setText($("trouble"), `Writes are refused, reads go on. The store says: ${why}`);
  ask.takeTrouble(why);
}

$("snapshot-take").addEventListener("click", async () => {
  try {
    const { begun } = await post("/v1/store/snapshot", {});
    setText($("durable-notice"), begun ? "A snapshot begins." : "A snapshot is being written already.");
    setTimeout(() => setText($("durable-notice"), ""), NOTICE_MS);
  } catch (problem) {
    setText($("durable-notice"), `No snapshot was begun: ${reason(problem)}`);
  }
});

// ── Asking, and what to say when nobody answers ────────────────────────────────────────────────────────────────────

let state = "connecting";
let lostAt = null;
let timer = 0;
let seldomAt = 0;

function become(next, words) {
  if (state !== next) {
    state = next;
    document.body.dataset.stream = next;
    $("link").dataset.state = next;
    setText($("link-text"), { live: "Live", lost: "Lost", refused: "Signed out", absent: "No store" }[next]);
    if (next === "live" && lostAt !== null) {
      setText($("announcer"), "The store is back.");
      keys.load();
      value.load();
    }
    lostAt = next === "live" ? null : new Date();
  }
  $("banner").hidden = next === "live";
  $("banner-retry").hidden = next === "refused" || next === "absent";
  if (next !== "live") setText($("banner-text"), words);
}

async function tick() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      const [store, counted] = await Promise.all([get("/v1/store"), get("/v1/store/commands")]);
      show(store);
      commands.take(counted);
      const first = state !== "live";
      become("live");
      if (first) keys.load();
      if (performance.now() >= seldomAt) {
        seldomAt = performance.now() + SELDOM_MS;
        await Promise.all([slowLog.load(), clients.load()]);
      }
    } catch (problem) {
      failed(problem);
    }
  }
  clearTimeout(timer);
  timer = setTimeout(tick, state === "live" ? EVERY_MS : 2 * EVERY_MS);
}

function failed(problem) {
  last = null;
  if (problem.status === 401 || problem.status === 403) {
    become("refused", "This node wants a sign-in: open the console’s address that it printed at its start, with the token in it.");
  } else if (problem.status === 404) {
    become("absent", "This node runs no store.");
  } else {
    const since = (lostAt ?? new Date()).toLocaleTimeString("en-GB");
    become("lost", `The store has not answered since ${since}; what you see is from then. ${reason(problem)}.`);
  }
}

$("banner-retry").addEventListener("click", tick);
document.addEventListener("visibilitychange", () => document.hidden || tick());

places("store");
tick();
