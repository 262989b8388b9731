"""A game server that knows nothing of Atlas: Python's `websockets` as it comes. See `library.rs` for what it does."""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

name, port = sys.argv[1], int(sys.argv[2])


async def play(socket):
    player = socket.request.headers.get("x-player", "nobody")
    await socket.send(f"{name} {socket.request.path} {player} {socket.subprotocol or ''}")
    try:
        async for message in socket:
            words = message.split(" ") if isinstance(message, str) else [""]
            if words[0] == "close":
                await socket.close(int(words[1]), words[2])
            elif words[0] == "vanish":
                socket.transport.abort()
            else:
                await socket.send(message)
    except ConnectionClosed:
        pass
    await socket.wait_closed()
    print(f"closed {socket.close_code} {socket.close_reason}", flush=True)


def choose(_, offered):
    return "game.v2" if "game.v2" in offered else (offered or [None])[0]


async def main():
    async with serve(play, "127.0.0.1", port, select_subprotocol=choose) as server:
        await server.serve_forever()


asyncio.run(main())
