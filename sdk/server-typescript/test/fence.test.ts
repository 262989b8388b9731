// The rules that fence, one by one, between real sockets; the server's clock moves only when a test moves it.

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { Edge, SESSION, TRANSFER, TestServer, WINDOWS, eventually } from "./edge.js";
import type { Options } from "@atlas/server";

const OTHER = "11111111-2222-4333-8444-555555555555";
const attach = (epoch: number, more: object = {}): object => ({ type: "attach", epoch, reason: "new", client: { address: "::1" }, ...WINDOWS, ...more });
const adopt = (epoch: number, more: object = {}): object => ({ type: "adopt", epoch, transfer: TRANSFER, state: base64("carried"), ...WINDOWS, ...more });
const freeze = (epoch: number, transfer = TRANSFER): object => ({ type: "freeze", epoch, transfer });
const commit = (epoch: number, transfer = TRANSFER): object => ({ type: "commit", epoch, transfer, client: "present" });
const abort = (epoch: number, transfer = TRANSFER): object => ({ type: "abort", epoch, transfer });
const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function start(t: TestContext, options: Options = {}): Promise<TestServer> {
  const server = await TestServer.start(options);
  t.after(() => server.close());
  return server;
}
const gist = (message: { type: string; [field: string]: unknown }): unknown[] => [message.type, message.epoch, message.reason, message.newest].filter((part) => part !== undefined);

test("a player comes, speaks, is handed over and taken back by abort", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server, { headers: { "Atlas-Player": "p%C3%A9" } });
  assert.deepEqual(gist(await edge.ask(attach(1))), ["attached", 1]);
  edge.data("one");
  assert.equal(await edge.text(), "one");
  const frozen = await edge.ask(freeze(2));
  assert.deepEqual([frozen.type, frozen.state, frozen.received, frozen.sent], ["frozen", base64("fresh"), 1, 2]);
  const player = () => server.players[0];
  assert.equal(player(), undefined, "who is frozen may not be acted for");
  edge.data("while frozen");
  assert.deepEqual(await edge.sofar(2), [], "neither applied nor answered");
  edge.send(abort(2));
  edge.data("two");
  assert.equal(await edge.text(), "two");
  assert.deepEqual(await edge.ask(freeze(3)).then((f) => [f.received, f.sent]), [2, 4], "the counts went on");
  edge.send({ type: "detach", epoch: 3, reason: "transferred" });
  await edge.sofar(3);
  assert.deepEqual(server.seen, [
    "load nothing for pé", "attach new", "message one", "freeze", "message two", "freeze", "detach transferred",
  ]);
});

test("a target holds, and acts on commit only", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  assert.deepEqual(gist(await edge.ask(adopt(4))), ["adopted", 4]);
  edge.data("too early");
  assert.deepEqual(await edge.sofar(4), []);
  assert.deepEqual(gist(await edge.ask(commit(5))), ["refused", 5, "not adopted"]);
  assert.deepEqual(gist(await edge.ask(commit(4, OTHER))), ["refused", 4, "not adopted"]);
  assert.deepEqual(gist(await edge.ask(freeze(4))), ["refused", 4, "not the authority"]);
  assert.deepEqual(gist(await edge.ask(commit(4))), ["committed", 4]);
  assert.deepEqual(await edge.control("checkpoint").then((c) => [c.epoch, c.state, c.received, c.sent]), [4, base64("carried"), 0, 0]);
  edge.data("now");
  assert.equal(await edge.text(), "now");
  assert.deepEqual(server.seen, ["load carried for undefined", "attach transfer", "message now"]);
});

test("lower and equal epochs are stale, over all links, also after detach", async (t) => {
  const server = await start(t);
  const first = await Edge.dial(server);
  await first.ask(attach(5));
  const second = await Edge.dial(server);
  for (const epoch of [1, 4, 5]) assert.deepEqual(gist(await second.ask(attach(epoch))), ["refused", epoch, "stale", 5]);
  assert.deepEqual(gist(await second.ask(freeze(9))), ["refused", 9, "stale", 5], "another link holds it");
  await first.ask(freeze(7));
  assert.deepEqual(gist(await second.ask(adopt(6))), ["refused", 6, "stale", 7], "a freeze raises newest");
  first.send({ type: "detach", epoch: 7, reason: "transferred" });
  await first.sofar(7);
  first.socket.close(1000);
  await first.closed();
  assert.deepEqual(gist(await second.ask(adopt(5))), ["refused", 5, "stale", 7], "kept after detach");
  assert.deepEqual(gist(await second.ask(adopt(7))), ["adopted", 7], "the attempt of the freeze may come back");
});

test("a higher attach takes the session and closes the older link", async (t) => {
  const server = await start(t);
  const first = await Edge.dial(server);
  await first.ask(attach(1));
  const player = server.players[0]!;
  const second = await Edge.dial(server);
  assert.deepEqual(await second.ask(attach(2)).then((a) => a.has_state), true, "goes on with what it has");
  assert.equal((await first.closed()).code, 1000);
  assert.equal(server.players[0], player, "the same player");
  const third = await Edge.dial(server);
  assert.equal((await third.ask(attach(3, { state: base64("given"), reason: "failover" }))).has_state, true);
  assert.equal(server.players[0]!.data, "given", "a given state replaces ours");
  assert.notEqual(server.players[0], player);
  assert.deepEqual(server.seen, ["load nothing for undefined", "attach new", "load given for undefined", "detach superseded", "attach failover"]);
});

test("the same again is answered the same way and changes nothing", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  assert.deepEqual(await edge.ask(attach(1)), await edge.ask(attach(1)));
  edge.data("one");
  await edge.text();
  const frozen = await edge.ask(freeze(2));
  assert.deepEqual(await edge.ask(freeze(2)), frozen);
  const later = await edge.ask(freeze(3, OTHER));
  assert.deepEqual(later, { ...frozen, epoch: 3, transfer: OTHER }, "frozen already: the same state for a newer attempt");
  edge.send(abort(3, TRANSFER));
  edge.data("not thawed");
  assert.deepEqual(await edge.sofar(3), [], "the abort of another transfer means nothing");
  const adopted = await edge.ask(adopt(4));
  assert.deepEqual(await edge.ask(adopt(4)), adopted);
  const committed = await edge.ask(commit(4));
  edge.data("two");
  await edge.text();
  assert.deepEqual(await edge.ask(commit(4)), committed);
  assert.deepEqual(await edge.ask(freeze(5)).then((f) => f.received), 1, "counted on from the first commit");
  assert.deepEqual(server.seen.filter((line) => line.startsWith("attach")), ["attach new", "attach transfer"]);
});

test("frozen, and then the player comes back on the same link", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  await edge.ask(attach(1));
  await edge.ask(freeze(2));
  assert.deepEqual(gist(await edge.ask(adopt(3, { transfer: OTHER }))), ["adopted", 3]);
  edge.send(abort(3, OTHER));
  assert.deepEqual(gist(await edge.ask(commit(3, OTHER))), ["refused", 3, "not adopted"], "aborted: forgotten");
  assert.deepEqual(gist(await edge.ask(adopt(3, { transfer: OTHER }))), ["refused", 3, "stale", 3]);
  assert.deepEqual(server.players, []);
});

test("a lost link neither thaws nor forgets, and the orphan window ends it", async (t) => {
  const server = await start(t);
  const lose = async (edge: Edge): Promise<void> => {
    edge.socket.terminate();
    await edge.closed();
    await eventually("nobody to act for", () => server.players.length === 0);
  };
  const first = await Edge.dial(server);
  await first.ask(attach(1));
  const player = server.players[0]!;
  await lose(first);
  assert.equal(player.active, false);
  assert.equal(player.send("into nothing"), false);
  const second = await Edge.dial(server);
  assert.equal((await second.ask(attach(2, { reason: "failover" }))).has_state, true, "it was kept");
  await second.ask(freeze(3));
  await lose(second);
  const third = await Edge.dial(server);
  assert.deepEqual(gist(await third.ask(abort(3)).catch(() => ({ type: "nothing" }))), ["nothing"], "no answer to an abort");
  assert.deepEqual(server.players, [], "frozen stays frozen");
  server.time.now += 60_001;
  await eventually("forgotten", () => server.seen.at(-1) === "detach orphaned");
  const fourth = await Edge.dial(server);
  assert.equal((await fourth.ask(attach(1))).has_state, false, "everything is forgotten, the epoch too");
});

test("silence for longer than the lease: nothing is done until the edge is there", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server, { autoPong: false });
  const pings: Buffer[] = [];
  edge.socket.on("ping", (data) => pings.push(data));
  await edge.ask(attach(1));
  const player = server.players[0]!;
  server.time.now += 5000;
  assert.equal(player.active, true);
  server.time.now += 1;
  assert.equal(player.active, false, "the clock alone ends it");
  assert.equal(player.send("unheard"), false);
  // What comes now may be as old as the silence: it waits for the answer to a question asked now.
  edge.data("old?");
  await eventually("asked", () => pings.length === 1);
  assert.deepEqual(server.seen.filter((line) => line.startsWith("message")), []);
  edge.socket.pong("wrong");
  server.time.now += 6000;
  edge.data("older?");
  await eventually("asked again", () => pings.length === 2);
  edge.socket.pong(pings[0]);
  edge.socket.pong(pings[1]);
  assert.equal(await edge.text(), "old?");
  assert.equal(await edge.text(), "older?");
  assert.equal(player.active, true);
  server.time.now += 4000;
  edge.socket.ping();
  await new Promise((resolve) => edge.socket.once("pong", resolve));
  server.time.now += 4000;
  assert.equal(player.active, true, "a WebSocket ping renews the lease");
});

test("silence while frozen: an abort that may be as old does not thaw", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server, { autoPong: false });
  const pings: Buffer[] = [];
  edge.socket.on("ping", (data) => pings.push(data));
  await edge.ask(attach(1));
  const player = server.players[0]!;
  assert.equal((await edge.ask(freeze(2))).type, "frozen");
  server.time.now += 5001;
  edge.send(abort(2));
  edge.data("held");
  await eventually("asked", () => pings.length === 1);
  assert.equal(player.active, false);
  assert.deepEqual(server.seen.filter((line) => line.startsWith("message")), []);
  edge.socket.pong(pings[0]);
  assert.equal(await edge.text(), "held");
  assert.equal(player.active, true);
});

test("silence, and then the end: what lay in the buffers is never applied", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server, { autoPong: false });
  await edge.ask(attach(1));
  server.time.now += 5001;
  edge.data("stale");
  edge.send({ type: "ping", epoch: 1, at: 1 });
  edge.socket.close(1000);
  await edge.closed();
  assert.deepEqual(server.seen, ["load nothing for undefined", "attach new"]);
});

test("a refusal changes nothing", async (t) => {
  const server = await start(t, { capacity: 1 });
  const edge = await Edge.dial(server);
  assert.deepEqual(gist(await edge.ask(adopt(1, { state: base64("broken") }))), ["refused", 1, "the state could not be loaded"]);
  server.refusal = "banned";
  assert.deepEqual(gist(await edge.ask(attach(2))), ["refused", 2, "banned"]);
  server.refusal = undefined;
  await edge.ask(attach(1));
  const other = await Edge.dial(server, { session: OTHER });
  assert.deepEqual(gist(await other.ask({ ...adopt(1) })), ["refused", 1, "full"]);
  edge.send({ type: "detach", epoch: 1, reason: "closed", code: 1001 });
  await edge.sofar(1);
  assert.deepEqual(gist(await other.ask(adopt(1))), ["adopted", 1], "the place is free");
  assert.equal(server.seen.includes("detach closed 1001"), true);
});

test("a checkpoint holds exactly the effects it counts", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  await edge.ask(attach(1));
  await edge.control("checkpoint");
  edge.data("checkpoint");
  const { state, received, sent } = await edge.control("checkpoint");
  assert.deepEqual([state, received, sent], [base64("after"), 1, 1], "sent when the message had had its effect");
  edge.data("more");
  await edge.text();
  server.time.now += 2001;
  assert.equal((await edge.control("checkpoint")).received, 2);
  server.time.now += 2001;
  edge.send({ type: "leaving", epoch: 1, reason: "drain", expected_in_ms: 10 });
  assert.equal((await edge.control("checkpoint")).received, 2, "and when a move is planned");
});

test("large states go and come in parts", async (t) => {
  const big = "x".repeat(200_000);
  const server = await start(t);
  const edge = await Edge.dial(server);
  await edge.ask(attach(1, { state: base64("small") }));
  server.players[0]!.data = big;
  const parts: Buffer[] = [];
  edge.socket.on("message", (message: Buffer) => message[0] === 4 && parts.push(message));
  const frozen = await edge.ask(freeze(2));
  assert.equal(frozen.state_id, TRANSFER);
  assert.equal(frozen.state, undefined);
  assert.equal(Buffer.concat(parts.map((part) => part.subarray(25))).toString(), big);
  const other = await Edge.dial(server, { session: OTHER });
  for (const part of parts) other.socket.send(part);
  assert.equal((await other.ask(adopt(1, { state: undefined, state_id: TRANSFER }))).type, "adopted");
  await other.ask(commit(1));
  assert.equal(server.players[0]!.data, big);
  other.send(freeze(2, OTHER));
  edge.socket.send(parts[1]!);
  assert.deepEqual(await edge.closed(), { code: 1002, reason: "state part: out of order" });
});

test("what is wrong closes with 1002 and says where", async (t) => {
  const server = await start(t);
  const wrong: [object | string | Buffer, string][] = [
    ["text", "a text message on a link"],
    [Buffer.of(), "an empty message"],
    [Buffer.of(0x21), "unknown tag 33"],
    [Buffer.from("\u0002{"), "control message: not JSON"],
    [Buffer.from("\u0002[]"), "control message: not an object"],
    [Buffer.from("\u0002{}"), "control message: type: not a text"],
    [{ type: "ping", session: SESSION, epoch: -1, at: 1 }, "ping: epoch: invalid type"],
    [{ type: "ping", session: SESSION, epoch: 1.5, at: 1 }, "ping: epoch: invalid type"],
    [{ type: "ping", session: OTHER, epoch: 1, at: 1 }, "ping: session: not this link's"],
    [{ type: "freeze", session: SESSION, epoch: 1, transfer: "x" }, "freeze: transfer: not a uuid"],
    [{ ...commit(1), session: SESSION, client: "asleep" }, "commit: client: unknown word"],
    [{ ...adopt(1), session: SESSION, state: "%%%" }, "adopt: state: not base64"],
    [{ ...adopt(1), session: SESSION, state_id: TRANSFER }, "adopt: state: stands beside state_id"],
    [{ ...adopt(1), session: SESSION, position: { x: 1e301, y: 0, z: 0 } }, "adopt: position: x: invalid type"],
    [{ ...attach(1), session: SESSION, client: [] }, "attach: client: invalid type"],
  ];
  for (const [message, reason] of wrong) {
    const edge = await Edge.dial(server);
    if (typeof message === "string" || Buffer.isBuffer(message)) edge.socket.send(message);
    else edge.send(message);
    assert.deepEqual(await edge.closed(), { code: 1002, reason });
  }
  const edge = await Edge.dial(server);
  edge.socket.send(Buffer.alloc(131_073, 2));
  assert.equal((await edge.closed()).code, 1009);
});

test("text that is not UTF-8 is a kick", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  await edge.ask(attach(1));
  edge.socket.send(Buffer.of(0, 0xff));
  assert.deepEqual(await edge.control("kick").then((k) => [k.code, k.epoch]), [1007, 1]);
});

test("an error in a hook is told, and the player stays", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  await edge.ask(attach(1));
  edge.data("throw");
  edge.data("and on");
  assert.equal(await edge.text(), "and on");
  assert.ok(server.seen.includes("error thrown"));
  server.players[0]!.data = undefined as unknown as string;
  assert.deepEqual(gist(await edge.ask(freeze(2))), ["refused", 2, "the state could not be saved"]);
  assert.equal(server.players.length, 1, "acts on as before");
});

test("a request to move is answered, or ends with the link", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  await edge.ask(attach(1));
  const player = server.players[0]!;
  const first = player.moveTo({ server: "east" }, "portal");
  const { id } = await edge.control("transfer-request");
  edge.send({ type: "transfer-result", epoch: 1, id, outcome: "refused", reason: "full" });
  assert.deepEqual(await first, { outcome: "refused", reason: "full" });
  const second = player.moveTo({ region: "castle" }, "portal");
  await edge.control("transfer-request");
  await edge.ask(freeze(2));
  assert.deepEqual(await player.moveTo({ server: "east" }, "again"), { outcome: "refused", reason: "not the authority" });
  edge.socket.terminate();
  assert.deepEqual(await second, { outcome: "failed", reason: "the link ended" });
});

test("epochs of what a server says by itself", async (t) => {
  const server = await start(t);
  const edge = await Edge.dial(server);
  await edge.ask(attach(3));
  const say = async (): Promise<unknown> => {
    server.players[0]!.reportPosition({ x: 1, y: 2, z: 3 });
    return (await edge.control("position")).epoch;
  };
  assert.equal(await say(), 3);
  await edge.ask(freeze(5));
  edge.send(abort(5));
  await edge.sofar(5);
  assert.equal(await say(), 5, "that of the abort");
  await edge.ask(freeze(6));
  await edge.ask(adopt(6));
  await edge.ask(commit(6));
  assert.equal(await say(), 6);
});
