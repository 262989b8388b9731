// A game server that knows nothing of Atlas: Node's `ws` as it comes. See `library.rs` for what it does.
import { WebSocketServer } from "ws";

const [name, port] = process.argv.slice(2);
const handleProtocols = (offered) => (offered.has("game.v2") ? "game.v2" : [...offered][0]);
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), handleProtocols });

server.on("connection", (socket, request) => {
  const player = request.headers["x-player"] ?? "nobody";
  socket.send(`${name} ${request.url} ${player} ${socket.protocol}`);
  socket.on("message", (message, isBinary) => {
    const [word, code, reason] = isBinary ? [] : message.toString().split(" ");
    if (word === "close") socket.close(Number(code), reason);
    else if (word === "vanish") socket.terminate();
    else socket.send(message, { binary: isBinary });
  });
  socket.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
});
