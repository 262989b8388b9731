// Wires the stream to the panels: which world is shown, whether the stream lives, which theme is on.

import { get } from "./api.js";
import { Check } from "./check.js";
import { Drain } from "./drain.js";
import { Feed } from "./feed.js";
import { element, setText, shortId } from "./format.js";
import { WorldMap } from "./map.js";
import { Move } from "./move.js";
import { Overview } from "./overview.js";
import { Palette } from "./palette.js";
import { Servers } from "./servers.js";
import { Sessions } from "./sessions.js";
import { places, Theme } from "./shell.js";
import { Stream } from "./stream.js";

const $ = (id) => document.getElementById(id);

const palette = new Palette();
/** Players' names by the short id that the map's frames carry; the oldest go when there are many. */
class Names extends Map {
  set(id, name) {
    if (this.size >= 20_000) this.delete(this.keys().next().value);
    return super.set(id, name);
  }
}
const names = new Names();
const overview = new Overview();
const feed = new Feed(palette);
const drain = new Drain((words) => setText($("servers-notice"), words));
const servers = new Servers(palette, drain);
const check = new Check();
const stream = new Stream("/v1/world");

const move = new Move((words) => {
  setText($("sessions-notice"), words);
  sessions.load();
});
const sessions = new Sessions(palette, names, (session) => move.open(session));
const map = new WorldMap(palette, names, {
  describe: async (id) => {
    const session = await find(id);
    if (session?.player) names.set(id, session.player);
    return session;
  },
  open: async (id) => {
    const session = await find(id);
    if (session) move.open(session);
  },
  hold: (paused) => feed.hold(paused),
});

async function find(id) {
  try {
    const page = await get("/v1/sessions", { search: id, limit: 5 });
    return page.items.find((session) => shortId(session.id) === id) ?? null;
  } catch {
    // The map goes on without the name.
    return null;
  }
}

// ── Worlds ─────────────────────────────────────────────────────────────────────────────────────────────────────────

let worlds = [];
let shown = "";

function showWorld() {
  const world = worlds.find(({ name }) => name === shown) ?? worlds[0];
  if (!world) return;
  if (shown !== world.name) {
    shown = world.name;
    map.clear();
  }
  $("world-name").hidden = worlds.length !== 1;
  setText($("world-only"), world.name);
  $("world-choice").hidden = worlds.length < 2;
  const listed = worlds.map(({ name }) => name);
  if ([...$("world-select").options].map((option) => option.value).join() !== listed.join()) {
    $("world-select").replaceChildren(...listed.map((name) => element("option", { text: name, value: name })));
  }
  $("world-select").value = shown;
  palette.take(world.servers.map(({ id }) => id));
  overview.takeServers(worlds.flatMap((each) => each.servers));
  servers.take(world.servers);
  sessions.takeWorld(world.name, world.servers);
  move.takeServers(world.servers);
  drain.takeServers(world.servers);
  sayDown(world);
  map.takeServers(world.servers);
}

/** Which servers were down when it was last said. */
let down = new Set();

/** Servers that went down or came back are told to a reader who does not see the map. */
function sayDown(world) {
  const now = new Set(world.servers.filter(({ state }) => state === "down").map(({ id }) => `${world.name}/${id}`));
  const went = [...now].filter((name) => !down.has(name));
  const came = [...down].filter((name) => name.startsWith(`${world.name}/`) && !now.has(name));
  down = now;
  const words = [...went.map((name) => `${name} is down`), ...came.map((name) => `${name} is back`)];
  if (words.length) setText($("announcer"), `${words.join(", ")}.`);
}

$("world-select").addEventListener("change", (event) => {
  shown = event.target.value;
  map.clear();
  showWorld();
});

stream.addEventListener("world", ({ detail }) => {
  worlds = detail.worlds;
  showWorld();
});
stream.addEventListener("players", ({ detail }) => {
  if (detail.world === shown) map.takePlayers(detail);
});
stream.addEventListener("transfer", ({ detail }) => {
  const id = shortId(detail.session);
  if (detail.player) names.set(id, detail.player);
  else detail.player = names.get(id) ?? null;
  if (detail.world !== shown) return;
  feed.take(detail);
  map.takeTransfer(detail);
});
stream.addEventListener("totals", ({ detail }) => overview.takeTotals(detail));

// ── The stream's state ─────────────────────────────────────────────────────────────────────────────────────────────

let retryAt = 0;
let lostAt = null;

stream.addEventListener("state", ({ detail }) => {
  const { state } = detail;
  retryAt = detail.retryAt;
  document.body.dataset.stream = state;
  $("link").dataset.state = state;
  setText($("link-text"), { live: "Live", lost: "Lost", refused: "Signed out", connecting: "Connecting" }[state]);
  if (state === "live") {
    if (lostAt !== null) {
      setText($("announcer"), "The stream is back.");
      // What was missed cannot be drawn: begin anew.
      map.clear();
      overview.reset();
      sessions.load();
      check.start();
    }
    lostAt = null;
  } else {
    lostAt ??= new Date();
    setText(
      $("announcer"),
      state === "refused"
        ? "This node wants a sign-in."
        : "The stream from this node is lost. The page tries again by itself.",
    );
  }
  showBanner();
});

function showBanner() {
  $("banner").hidden = lostAt === null;
  if (lostAt === null) return;
  const since = lostAt.toLocaleTimeString("en-GB");
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const next = seconds > 0 ? `Next try in ${seconds} s.` : "Trying now.";
  setText(
    $("banner-text"),
    stream.state === "refused"
      ? "This node wants a sign-in: open the console’s address that it printed at its start, with the token in it."
      : `The stream from this node was lost at ${since}; what you see is from then. ${next}`,
  );
}

setInterval(showBanner, 500);
$("banner-retry").addEventListener("click", () => stream.open());

// ── Theme, and where else to go ────────────────────────────────────────────────────────────────────────────────────

new Theme(() => map.recolour());
const roles = await places("edge");

// A node without an edge has no world: its store is what there is to see.
if (roles.includes("store") && !roles.includes("edge")) location.replace("/store");
else {
  // The sessions are loaded with the first world.
  stream.open();
  check.start();
}
