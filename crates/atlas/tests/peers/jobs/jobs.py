"""What the programs of `programs.rs` share: a job that leaves its number in a file, and somebody who adds jobs.

A folder is where they meet the test. `done` has the number of each job that was worked on. At a gate, a number of the file
`gates`, the first job with that number or a higher one says `reached-GATE`, with the id of its process, and waits for
`passed-GATE`: the moment for the test to kill somebody. `enough` ends the adding.
"""

import os
import pathlib
import time

import redis

PATIENCE_SECONDS = 100


def wait(path):
    until = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.005)


def work(folder, number, at_gates=True):
    folder = pathlib.Path(folder)
    for gate in (folder / "gates").read_text().split() if at_gates else []:
        passed = folder / f"passed-{gate}"
        if number >= int(gate) and not passed.exists():
            said = folder / f"saying-{gate}"
            said.write_text(str(os.getpid()))
            said.rename(folder / f"reached-{gate}")
            wait(passed)
    with open(folder / "done", "a") as done:
        done.write(f"{number}\n")


def add(folder, connection, pause_seconds, send, gone=()):
    """Sends jobs until it is enough; prints the number of each that the store has acknowledged.

    Nobody knows of a job whose sending failed whether it is there: its number is not told, nor used again.
    """
    gone = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, OSError, *gone)
    enough = pathlib.Path(folder) / "enough"
    number = 0
    while not enough.exists():
        try:
            send(number)
            print(number, flush=True)
        except gone:
            until = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < until:
                try:
                    connection.ping()
                    break
                except gone:
                    time.sleep(0.05)
        number += 1
        time.sleep(pause_seconds)
