# SPDX-License-Identifier: GPL-3.0-or-later
"""One place in a .blend that names a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class Kind(Enum):
    """What a stored path stands for."""

    FILE = auto()
    SEQUENCE = auto()  # one of a number of files that differ by the last digits in their names
    TILES = auto()  # a name with <UDIM> or <UVTILE>
    NAMES = auto()  # a folder, of which the files in `names` are used
    SCRIPT = auto()  # a script, with what it was compiled to and includes
    FOLDER = auto()  # a cache's folder, of which the files that `contents` describes are used
    BLENDCACHE = auto()  # the same, but its place is not stored: `blendcache_STEM` beside the .blend


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

    `owner` names it to the user ("image Wood"), `block` is the datablock that it is stored in. One that is not
    `required` need not be there. `needed` is False for what only the viewport shows. `//` is the folder of the .blend
    that `block` is in, unless it is that of another datablock, `relative_to`, or `of_main`: that which is rendered.
    It is `of_either` if the one comes first and the other may be meant: what Cycles reads from 5.0 on.
    """

    owner: str
    block: Any
    path: str
    kind: Kind = Kind.FILE
    names: tuple[str, ...] = ()
    contents: Contents = NOTHING
    beside_original: bool = False  # to be looked for where the user's own file is, not its snapshot
    relative_to: Any = None
    of_main: bool = False
    of_either: bool = False
    required: bool = True
    needed: bool = True
    simulation: str = ""  # what is computed anew if nothing is there, "fluid of Lake"
    bake: int | None = None  # the number of a bake that may be in the .blend instead
