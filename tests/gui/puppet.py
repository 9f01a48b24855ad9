# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender (`-P puppet.py`): execute Python that comes over a Unix socket, on Blender's main thread.

PUPPET_NAME is its name in Linux's abstract namespace. A client sends source, shuts down its side, and reads one JSON
object {"value", "error"}: the value of the source's last expression (repr() of what JSON does not know), or the
traceback. The socket is there as soon as a 3D viewport was drawn once: the window is up.
"""

import ast
import contextlib
import json
import os
import queue
import signal
import socket
import threading
import traceback

import bpy

NAME = "\0" + os.environ["PUPPET_NAME"]
PERIOD = 0.01  # seconds between looks at the queue
JOBS: queue.SimpleQueue[tuple[socket.socket, str]] = queue.SimpleQueue()
NAMES = {"bpy": bpy}  # lives on from one source to the next
DRAWN = threading.Event()


def serve() -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(NAME)
    server.listen(8)
    while True:
        client, _ = server.accept()
        data = b""
        while chunk := client.recv(65536):
            data += chunk
        JOBS.put((client, data.decode()))


def evaluate(source: str) -> object:
    """Execute the source and return the value of its last expression, None if it ends with a statement."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<puppet>", "exec"), NAMES)  # noqa: S102
    return eval(compile(ast.Expression(last.value), "<puppet>", "eval"), NAMES) if last else None  # noqa: S307


def answer(source: str) -> dict[str, object]:
    try:
        return {"value": evaluate(source), "error": None}
    except BaseException:  # noqa: BLE001 - the test is told, whatever it is
        return {"value": None, "error": traceback.format_exc()}


def pump() -> float:
    while not JOBS.empty():
        client, source = JOBS.get()
        with client, contextlib.suppress(ConnectionError):  # whoever asked may be gone
            client.sendall(json.dumps(answer(source), default=repr).encode())
    return PERIOD


def open_when_drawn() -> float | None:
    if not DRAWN.is_set():
        return PERIOD
    bpy.types.SpaceView3D.draw_handler_remove(HANDLE, "WINDOW")
    threading.Thread(target=serve, daemon=True).start()
    return None


# Blender lets Python leave SIGPIPE as it is: a client that does not wait for its answer would end the process.
signal.signal(signal.SIGPIPE, signal.SIG_IGN)

# Nothing of the tests is to be kept as the user's preferences, nor to cover the window.
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.use_preferences_save = False

HANDLE = bpy.types.SpaceView3D.draw_handler_add(DRAWN.set, (), "WINDOW", "POST_PIXEL")
bpy.app.timers.register(open_when_drawn, persistent=True)
bpy.app.timers.register(pump, persistent=True)
