# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the agent on the machine, then be it: the first thing a client runs there, with the rest of its input unread.

Run by text (`python3 -c`) in ROOT, before there is any file. Arguments: the length of this text, then the agent's own.
Input: 8 bytes of length, then the agent's files, JSON name → text, compressed. A machine that has its project keeps
the agent that it has.
"""

import json
import os
import sys
import zlib


def _install(folder: str) -> None:
    source = sys.stdin.buffer
    files = json.loads(zlib.decompress(source.read(int.from_bytes(source.read(8), "big"))))
    if os.path.isdir("project"):
        return
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        path, new = f"{folder}/{name}", f"{folder}/{name}.{os.getpid()}"
        # Whole files under their names, whenever this is cut short, and whoever runs the agent meanwhile.
        with open(new, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.replace(new, path)


def _run(folder: str, arguments: list) -> None:  # type: ignore[type-arg]  # Python 3.8
    os.chdir(folder)
    sys.argv = [os.path.abspath("agent.py"), *arguments]
    with open("agent.py", "rb") as file:
        exec(compile(file.read(), sys.argv[0], "exec"), {"__name__": "__main__", "__file__": sys.argv[0]})  # noqa: S102


if __name__ == "__main__":
    os.umask(0o077)
    _install("agent")
    if sys.argv[2:]:
        _run("agent", sys.argv[2:])
