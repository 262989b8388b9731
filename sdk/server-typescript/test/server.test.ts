// The door: tokens, loopback, players without an edge, and the end.

import assert from "node:assert/strict";
import { request } from "node:http";
import test from "node:test";
import { WebSocket } from "ws";
import { Edge, SESSION, TestServer, WINDOWS, eventually } from "./edge.js";

function status(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": Buffer.alloc(16).toString("base64") };
    const asked = request(url.replace("ws:", "http:"), { headers: { ...upgrade, ...headers } });
    asked.on("response", (response) => resolve(response.statusCode ?? 0));
    asked.on("upgrade", (_, socket) => {
      socket.destroy();
      resolve(101);
    });
    asked.on("error", reject).end();
  });
}
const link = { "Sec-WebSocket-Protocol": "atlas.link.v1, game", "Atlas-Link": "session", "Atlas-Session": SESSION };

test("beyond loopback a token is demanded before anything listens", async () => {
  for (const host of ["0.0.0.0", "::"]) {
    await assert.rejects(TestServer.start({ host }), /link token/);
  }
  const server = new TestServer({ host: "0.0.0.0", linkToken: "s3cret" });
  await server.listen();
  await server.close();
  const local = new TestServer({ host: "localhost" });
  await local.listen();
  await local.close();
});

test("the token is compared, whole", async (t) => {
  const server = await TestServer.start({ linkToken: "s3cret" });
  t.after(() => server.close());
  for (const authorization of ["Bearer wrong1", "Bearer s3cret2", "s3cret", "bearer s3cret"]) {
    assert.equal(await status(server.url, { ...link, Authorization: authorization }), 401, authorization);
  }
  assert.equal(await status(server.url, link), 401);
  assert.equal(await status(server.url, { ...link, "Atlas-Link": "control" }), 401);
  assert.equal(await status(server.url, { ...link, Authorization: "Bearer s3cret" }), 101);
  assert.equal(await status(server.url, {}), 101, "players without an edge need none");
});

test("what is neither a link nor a player is refused", async (t) => {
  const server = await TestServer.start({ plainPlayers: false });
  t.after(() => server.close());
  assert.equal(await status(server.url, {}), 403);
  assert.equal(await status(server.url, { ...link, "Atlas-Link": "other" }), 400);
  const { "Atlas-Session": _, ...without } = link;
  assert.equal(await status(server.url, without), 400);
  assert.equal(await status(server.url, link), 101);
  assert.equal((await fetch(server.url.replace("ws:", "http:"))).status, 426);
  assert.equal(await (await fetch(server.url.replace("ws:", "http:") + "health")).text(), "OK\n");
});

test("players without an edge", async (t) => {
  const server = await TestServer.start({ capacity: 1 });
  t.after(() => server.close());
  const socket = new WebSocket(server.url, ["game.v2", "game.v1"]);
  const came: string[] = [];
  socket.on("message", (message, isBinary) => came.push(`${isBinary ? "binary" : "text"} ${message.toString()}`));
  await new Promise((resolve) => socket.on("open", resolve));
  assert.equal(socket.protocol, "game.v2");
  socket.send("one");
  socket.send(Buffer.from("two"));
  await eventually("echoed", () => came.length === 2);
  assert.deepEqual(came, ["text one", "binary two"]);
  const player = server.players[0]!;
  assert.equal(player.address, "127.0.0.1");
  assert.deepEqual(await player.moveTo({ server: "east" }, "portal"), { outcome: "refused", reason: "the player came without an edge" });
  assert.equal(await status(server.url, {}), 503, "full");
  player.kick(4001, "é".repeat(100));
  const [code, reason] = await new Promise<[number, string]>((resolve) => socket.on("close", (code, reason) => resolve([code, reason.toString()])));
  assert.deepEqual([code, reason], [4001, "é".repeat(61)], "cut between characters, at 123 bytes");
  await eventually("gone", () => server.seen.at(-1)?.startsWith("detach") === true);
  assert.deepEqual(server.seen, ["load nothing for undefined", "attach plain", "message one", "message two", "detach kicked 4001"]);
  assert.throws(() => player.kick(1006, "no code"), RangeError);
});

test("the end closes everything with 1012", async () => {
  const server = await TestServer.start({});
  const edge = await Edge.dial(server);
  await edge.ask({ type: "attach", epoch: 1, reason: "new", client: { address: "::1" }, ...WINDOWS });
  const control = await Edge.dial(server, { kind: "control" });
  const plain = new WebSocket(server.url);
  await new Promise((resolve) => plain.on("open", resolve));
  const plainClosed = new Promise((resolve) => plain.on("close", resolve));
  await server.close();
  assert.deepEqual([(await edge.closed()).code, (await control.closed()).code, await plainClosed], [1012, 1012, 1012]);
  assert.deepEqual(server.players, []);
});
