# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall clock of a stand-in machine, as its Python programs see it: this computer's, and what it was moved by.

Python imports this by its name at every start. The kernel's clock cannot be another one for some processes only.
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
