// The demo game as a cooperative server: it answers each numbered message once, and its counts go with the player.
// `atlas load --verify` checks from the players' side that nothing was lost, doubled or changed places.
//
//     node build/examples/arena.js --name west --port 7001

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { GameServer, type Player } from "@atlas/server";

interface Arena {
  player: string;
  last_n: number;
  out: number;
  gaps: number;
  doubles: number;
  x: number;
  y: number;
  z: number;
}

interface Input {
  client: "join" | "move" | "say";
  player_id?: string;
  n?: number;
  x?: number;
  y?: number;
  z?: number;
}

class ArenaServer extends GameServer<Arena> {
  constructor(
    readonly name: string,
    options: ConstructorParameters<typeof GameServer>[0],
  ) {
    super(options);
  }

  override load(state: Buffer | undefined, player: Player<Arena>): Arena {
    if (state) return JSON.parse(state.toString()) as Arena;
    return { player: player.id ?? "", last_n: 0, out: 0, gaps: 0, doubles: 0, x: 0, y: 0, z: 0 };
  }

  override save(player: Player<Arena>): string {
    return JSON.stringify(player.data);
  }

  override onMessage(player: Player<Arena>, message: string | Buffer): void {
    const arena = player.data;
    const input = JSON.parse(message.toString()) as Input;
    if (input.client === "join") {
      arena.player = input.player_id ?? arena.player;
      // The state may be one that the player left behind, and a new connection counts anew.
      Object.assign(arena, { last_n: 0, gaps: 0, doubles: 0 });
      return;
    }
    if (input.n === undefined) return;
    if (input.n <= arena.last_n) arena.doubles += 1;
    else arena.gaps += input.n - arena.last_n - 1;
    arena.last_n = Math.max(arena.last_n, input.n);
    if (input.client === "move") Object.assign(arena, { x: input.x ?? arena.x, y: input.y ?? arena.y, z: input.z ?? arena.z });
    arena.out += 1;
    const { out, gaps, doubles } = arena;
    player.send(JSON.stringify({ server: this.name, n: input.n, out, gaps, doubles }));
  }
}

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "arena" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7001" },
    "link-token": { type: "string" },
    "ready-file": { type: "string" },
  },
});
const token = values["link-token"];
const server = new ArenaServer(values.name, { host: values.host, port: Number(values.port), ...(token ? { linkToken: token } : {}) });
const { address, port } = await server.listen();
console.log(`${values.name} listens on ws://${address}:${port}`);
if (values["ready-file"]) writeFileSync(values["ready-file"], JSON.stringify({ address: `${address}:${port}` }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close());
