"""Plays redis-py's tests against any port: a plugin for pytest.

What wants to reach the usual port is led to the one that is named in the environment, and how each test ended is appended
to a file, a line of JSON each, so that a run that breaks off has told what it did.
"""

import asyncio
import json
import os
import socket

USUAL = 6379
PORT = int(os.environ["CLIENT_SUITE_PORT"])
REPORT = open(os.environ["CLIENT_SUITE_REPORT"], "a", encoding="utf-8")

look_up = socket.getaddrinfo
connect = asyncio.BaseEventLoop.create_connection


def led(port):
    return PORT if port in (USUAL, str(USUAL)) else port


def led_look_up(host, port, *rest, **named):
    return look_up(host, led(port), *rest, **named)


def led_connect(self, protocol_factory, host=None, port=None, **named):
    return connect(self, protocol_factory, host, led(port), **named)


socket.getaddrinfo = led_look_up
asyncio.BaseEventLoop.create_connection = led_connect


def pytest_runtest_logreport(report):
    # What makes ready and clears up is told only if it goes wrong, or leaves the test out.
    if report.when != "call" and report.outcome == "passed":
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash is not None else ""
    line = {"test": report.nodeid, "outcome": report.outcome, "message": message}
    REPORT.write(json.dumps(line) + "\n")
    REPORT.flush()
