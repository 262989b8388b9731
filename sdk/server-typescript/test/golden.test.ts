// Every golden file of docs/formats/golden/link: what an edge sends is read, what a server sends is written the same.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { StateJoiner, controlFrame, parseFrame, splitState, tagged, type Frame } from "#inside/frame";
import { readControlMessage, readSessionMessage } from "#inside/messages";
import { Edge, SESSION, TRANSFER, TestServer } from "./edge.js";

const golden = process.env.ATLAS_GOLDEN ?? fileURLToPath(new URL("../../../../docs/formats/golden", import.meta.url));
const folder = join(golden, "link");
const file = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8").trim();
const hexLines = (name: string): Buffer[] => file(name).split("\n").map((line) => Buffer.from(line.replaceAll(" ", ""), "hex"));

const expected: Record<string, object> = {
  "abort.json": { type: "abort", transfer: TRANSFER },
  "adopt.json": { type: "adopt", player: "p-12", state: { bytes: Buffer.from('{"hp":97}') }, leaseMs: 5000, orphanWindowMs: 60000, position: { x: 12.5, y: 0, z: -3.25 } },
  "adopt-in-parts.json": { type: "adopt", state: { id: TRANSFER } },
  "attach.json": { type: "attach", reason: "new", address: "203.0.113.9", epoch: 1 },
  "attach-failover.json": { type: "attach", reason: "failover", epoch: 8, player: "p-12", state: { bytes: Buffer.from('{"hp":97}') } },
  "commit.json": { type: "commit", client: "present" },
  "detach.json": { type: "detach", reason: "closed", code: 1001 },
  "freeze.json": { type: "freeze", transfer: TRANSFER, epoch: 7 },
  "leaving.json": { type: "leaving", reason: "drain", expectedInMs: 30000 },
  "ping.json": { type: "ping", at: 123456 },
  "preload.json": { type: "preload", velocity: { x: 4, y: 0, z: -0.5 }, arrivesInMs: 2500 },
  "resumed.json": { type: "resumed", resync: false },
  "suspended.json": { type: "suspended" },
  "transfer-result.json": { type: "transfer-result", id: "r-1", outcome: "refused", reason: "the target is full" },
  "unsupported.json": { type: "unsupported", name: "dance" },
};

for (const name of readdirSync(join(folder, "to-server"))) {
  test(`reads to-server/${name}`, () => {
    const message = readSessionMessage(Buffer.from(file("to-server", name)));
    assert.ok(expected[name], "a golden file that this test does not know");
    assert.deepEqual({ ...message, ...expected[name] }, message);
    if (message.type !== "unsupported" && message.type !== "unknown") assert.equal(message.session, SESSION);
  });
}

const expectedOfControl: Record<string, object> = {
  "drain.json": { type: "drain", deadlineMs: 60000 },
  "ping.json": { type: "ping", at: 123456 },
  "received.json": { type: "received", from: { server: "west" }, to: { session: SESSION }, body: '{"gift":3}' },
  "undeliverable.json": { type: "undeliverable", id: "m-7", reason: "no such server" },
  "unsupported.json": { type: "unsupported", name: "dance" },
};

for (const name of readdirSync(join(folder, "control-to-server"))) {
  test(`reads control-to-server/${name}`, () => {
    assert.deepEqual(readControlMessage(Buffer.from(file("control-to-server", name))), expectedOfControl[name]);
  });
}

test("each required field is missed, and named", () => {
  const optional = new Set(["player", "position", "code", "resync", "reason of transfer-result", "state of attach-failover"]);
  for (const name of readdirSync(join(folder, "to-server"))) {
    const whole = JSON.parse(file("to-server", name));
    for (const field of Object.keys(whole)) {
      if (field === "type" || (optional.has(field) && name !== "preload.json") || field === "player") continue;
      if (optional.has(`${field} of ${name.replace(".json", "")}`)) continue;
      const { [field]: _, ...rest } = whole;
      const shown = field === "state_id" ? "state" : field;
      assert.throws(() => readSessionMessage(Buffer.from(JSON.stringify(rest))), { code: 1002, message: new RegExp(`${whole.type}: ${shown}: missing`) }, name);
      assert.throws(() => readSessionMessage(Buffer.from(JSON.stringify({ ...whole, [field]: null }))), { code: 1002 }, `${name} ${field} null`);
    }
  }
});

test("tags", () => {
  const [text, binary, control] = hexLines("tagged.hex");
  assert.deepEqual(tagged("hi"), text);
  assert.deepEqual(tagged(Uint8Array.of(1, 2, 255)), binary);
  assert.deepEqual(controlFrame({ type: "draining" }), control);
  assert.deepEqual(parseFrame(text!, true), { kind: "text", bytes: Buffer.from("hi") });
  assert.deepEqual(parseFrame(binary!, true), { kind: "binary", bytes: Buffer.of(1, 2, 255) });
  assert.equal(parseFrame(control!, true).kind, "control");
  for (const tag of [0x03, 0x05, 0x10, 0x11, 0x21, 0x40, 0xff]) {
    assert.throws(() => parseFrame(Buffer.of(tag, 1), true), { code: 1002 });
  }
  assert.throws(() => parseFrame(Buffer.of(), true), { code: 1002 });
  assert.throws(() => parseFrame(Buffer.from("hi"), false), { code: 1002 });
  assert.throws(() => parseFrame(Buffer.alloc(131_073, 2), true), { code: 1009 });
});

test("a state in parts", () => {
  const state = Buffer.from(Uint8Array.from({ length: 65_541 }, (_, index) => index % 256));
  const { field, parts } = splitState(state, TRANSFER);
  assert.deepEqual(field, { state_id: TRANSFER });
  assert.deepEqual(parts.map((part) => part.subarray(0, 30)), hexLines("state-parts.hex"));
  assert.deepEqual(parts.map((part) => part.length), [25 + 65_536, 25 + 5]);
  const frames = parts.map((part) => parseFrame(part, true) as Extract<Frame, { kind: "part" }>);
  const joiner = new StateJoiner();
  // One that was begun and not named makes room.
  joiner.add({ id: SESSION, part: 0, parts: 2, bytes: Buffer.from("x") });
  frames.forEach((frame) => joiner.add(frame));
  assert.deepEqual(joiner.take(TRANSFER), state);
  assert.throws(() => joiner.take(TRANSFER), { code: 1002 });
  assert.throws(() => joiner.add(frames[1]!), { code: 1002 });
  joiner.add(frames[0]!);
  assert.throws(() => joiner.take(TRANSFER), { code: 1002 });
  joiner.add(frames[0]!);
  frames.forEach((frame) => joiner.add(frame));
  assert.deepEqual(joiner.take(TRANSFER), state, "begun anew");
  const { field: inline, parts: none } = splitState(state.subarray(0, 65_536), TRANSFER);
  assert.equal(none.length, 0);
  assert.deepEqual(inline, { state: state.subarray(0, 65_536).toString("base64") });
});

test("what a server writes is what the golden files say", async () => {
  const written = new Map<string, object>();
  const keep = (name: string, message: object): void => void written.set(name, message);
  const server = await TestServer.start({ saved: '{"hp":97}' });
  const edge = await Edge.dial(server);
  keep("attached.json", await edge.ask({ type: "attach", epoch: 1, reason: "new", client: { address: "203.0.113.9" }, lease_ms: 5000, orphan_window_ms: 60000 }));
  assert.deepEqual(await edge.control("checkpoint"), { type: "checkpoint", session: SESSION, epoch: 1, state: "eyJocCI6OTd9", received: 0, sent: 0 });
  keep("preloaded.json", { ...(await edge.ask({ ...JSON.parse(file("to-server", "preload.json")) })) });
  edge.send({ type: "abort", epoch: 6, transfer: TRANSFER });
  keep("pong.json", await edge.ask({ type: "ping", epoch: 7, at: 123456 }));
  edge.send({ type: "dance", epoch: 7 });
  keep("unsupported.json", await edge.control("unsupported"));
  const player = server.players[0]!;
  const moves = [{ server: "east" }, { position: { x: 12.5, y: 0, z: -3.25 } }, { region: "castle" }];
  for (const to of moves) {
    void player.moveTo(to, "portal");
    keep(`transfer-request-${Object.keys(to)[0]}.json`, { ...(await edge.control("transfer-request")), id: "r-1", epoch: 7 });
  }
  player.kick(4001, "cheating");
  keep("kick.json", { ...(await edge.control("kick")), epoch: 7 });
  player.reportPosition({ x: 12.5, y: 0, z: -3.25 }, { x: 4, y: 0, z: -0.5 });
  keep("position.json", { ...(await edge.control("position")), epoch: 7 });
  for (let n = 0; n < 412; n++) edge.data("x");
  const frozen = await edge.ask({ type: "freeze", epoch: 7, transfer: TRANSFER });
  keep("frozen.json", { ...frozen, sent: 398 });
  assert.equal(frozen.sent, 413, "the test server echoes, and has last words");
  keep("adopted.json", await edge.ask({ ...JSON.parse(file("to-server", "adopt.json")), epoch: 8 }));
  keep("committed.json", await edge.ask({ type: "commit", epoch: 8, transfer: TRANSFER, client: "present" }));
  keep("checkpoint.json", { ...(await edge.control("checkpoint")), received: 300, sent: 288, epoch: 7 });
  keep("refused-stale.json", { ...(await edge.ask({ type: "adopt", epoch: 7, transfer: TRANSFER, state: "", lease_ms: 1, orphan_window_ms: 1 })), newest: 9 });
  const full = await Edge.dial(server, { session: TRANSFER });
  server.refusal = "full";
  keep("refused.json", { ...(await full.ask({ type: "attach", epoch: 7, reason: "new", client: { address: "::1" }, lease_ms: 1, orphan_window_ms: 1 })), session: SESSION });
  const again = new Set(["adopted.json", "committed.json"]);
  for (const name of readdirSync(join(folder, "from-server"))) {
    const message = written.get(name);
    assert.ok(message, `${name} was not written`);
    assert.deepEqual(again.has(name) ? { ...message, epoch: 7 } : message, JSON.parse(file("from-server", name)), name);
  }
  await server.close();
});

test("what a server writes on a control link is what the golden files say", async () => {
  const server = await TestServer.start({});
  const edge = await Edge.dial(server, { kind: "control" });
  const load = await edge.control("load");
  assert.deepEqual(Object.keys(load).sort(), ["cpu", "memory", "sessions", "type"]);
  server.report = { sessions: 120, cpu: 0.5, memory: 0.25, tick_ms: 8.5 };
  const second = await Edge.dial(server, { kind: "control" });
  assert.deepEqual(await second.control("load"), JSON.parse(file("control-from-server", "load.json")));
  assert.deepEqual(await edge.ask({ type: "ping", at: 123456 }), JSON.parse(file("control-from-server", "pong.json")));
  assert.deepEqual(await edge.ask({ type: "drain", deadline_ms: 60000 }), JSON.parse(file("control-from-server", "draining.json")));
  server.wait = { waitMs: 10000, reason: "a match is on" };
  assert.deepEqual(await edge.ask({ type: "drain", deadline_ms: 60000 }), JSON.parse(file("control-from-server", "wait.json")));
  assert.deepEqual(await edge.ask({ type: "dance" }), JSON.parse(file("control-from-server", "unsupported.json")));
  for (const [name, to] of Object.entries({ server: { server: "east" }, session: { session: SESSION }, region: { region: "castle" } })) {
    assert.ok(server.sendToServer("m-7", to, '{"gift":3}'));
    assert.deepEqual(await edge.control("send"), JSON.parse(file("control-from-server", `send-${name}.json`)));
  }
  edge.send(JSON.parse(file("control-to-server", "received.json")));
  edge.send(JSON.parse(file("control-to-server", "undeliverable.json")));
  await edge.ask({ type: "ping", at: 1 });
  assert.deepEqual(server.seen.slice(-2), ['from west: {"gift":3}', "undeliverable m-7: no such server"]);
  edge.data("x");
  assert.equal((await edge.closed()).code, 1002);
  await server.close();
});
