# SPDX-License-Identifier: GPL-3.0-or-later
"""One place in a .blend that names a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class Kind(Enum):
    """What a stored path stands for."""

    FILE = auto()
    SEQUENCE = auto()  # one of a number of files that differ by the last digits in their names
    TILES = auto()  # a name with <UDIM> or <UVTILE>
    NAMES = auto()  # a folder, of which the files in `names` are used
    FOLDER = auto()  # a cache's folder, of which the files that `contents` describes are used


@dataclass(frozen=True)
class Contents:
    """Which files of a cache's folder are the cache's own.

    `suffixes` and `prefixes` are of file names directly in the folder (no suffixes: none of these), `subfolders` are
    taken with all that is in them.
    """

    suffixes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ("",)
    subfolders: tuple[str, ...] = ()


NOTHING = Contents()


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A stored path.

    `owner` names it to the user ("image Wood"), `block` is the datablock that it is stored in, `store` writes another
    path (`store_names` other names); None for a place that is not stored but follows from the .blend's own. One that is
    not `required` need not be there. `needed` is False for what only the viewport shows.
    """

    owner: str
    block: Any
    stored: str
    kind: Kind = Kind.FILE
    store: Callable[[str], None] | None = None
    names: tuple[str, ...] = ()
    store_names: Callable[[dict[str, str]], None] | None = None
    contents: Contents = NOTHING
    beside_original: bool = False  # what a snapshot's paths do not lead to: see `session.py`
    required: bool = True
    needed: bool = True
