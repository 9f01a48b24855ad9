# SPDX-License-Identifier: GPL-3.0-or-later
"""What befalls the Python programs of a stand-in machine: its wall clock was moved, frames are damaged on their way.

Python imports this by its name at every start. The kernel's clock cannot be another one for some processes only.
A file in the folder `damage` spoils one reading of a frame, always of the same one: the first that is fetched then.
"""

import os
import time

_time = time.time
_OFFSET = os.environ.get("CLOUDRENDER_STANDIN_CLOCK", "")


def _moved() -> float:
    try:
        with open(_OFFSET, encoding="ascii") as file:  # noqa: PTH123 - importing pathlib would slow every start
            return _time() + float(file.read())
    except FileNotFoundError:
        return _time()


if _OFFSET:
    time.time = _moved

_pread = os.pread
_DAMAGE = os.environ.get("CLOUDRENDER_STANDIN_DAMAGE", "")


def _spoiled(descriptor: int, length: int, offset: int) -> bytes:
    data = _pread(descriptor, length, offset)
    tokens = [name for name in os.listdir(_DAMAGE) if name.isdigit()]  # noqa: PTH208 - as above
    if not tokens:
        return data
    frame = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115, PTH119
    victims = [name for name in os.listdir(_DAMAGE) if not name.isdigit()]  # noqa: PTH208
    if victims and frame not in victims:
        return data
    with open(f"{_DAMAGE}/{frame}", "w", encoding="ascii"):  # noqa: PTH123
        pass
    os.unlink(f"{_DAMAGE}/{tokens[0]}")  # noqa: PTH108
    return data.replace(b"\0", b"\1")


if _DAMAGE:
    os.pread = _spoiled
