# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the Python packages that a job needs are the right ones: all extensions of Blender share one set of them.

Of each package the newest version that any extension brings is kept, whatever the others need, and an add-on may put
a folder of its own before it. So a job looks first (20 to 60 ms) instead of failing somewhere at random.
"""

from __future__ import annotations

import importlib.util
import operator
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

NEEDED = (
    "boto3>=1.40",
    "paramiko>=4,<6",
    "cryptography>=43",
    "blender-asset-tracer>=1.23,<2",
    "zstandard>=0.16",
    "filelock>=3.16",
    "platformdirs>=4.2",
    "pathspec>=0.12",
    "tqdm>=4.66",
)
"""As in pyproject.toml, which is not there in Blender. What these need in turn, their own metadata says."""

FROM_BLENDER = frozenset({"certifi", "charset-normalizer", "idna", "requests", "urllib3", "zstandard"})
"""Not brought along. Blender for Linux has them without metadata, so their version may be unknown."""

_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[[^]]*])?\s*\(?([^;)]*)\)?\s*(;?)")
_COMPARISONS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    ">=": (operator.ge, "{} or newer"),
    "<=": (operator.le, "{} or older"),
    "!=": (operator.ne, "not {}"),
    "==": (operator.eq, "{}"),
    ">": (operator.gt, "newer than {}"),
    "<": (operator.lt, "older than {}"),
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong, and what the user can do, a line each."""

    message: str
    hint: str


def check_dependencies() -> Problem | None:
    """Return the first problem with the packages that jobs need, None if all is well. Imports none of them."""
    waiting = [(requirement, "Cloudrender") for requirement in NEEDED]
    seen = set()
    for requirement, needed_by in waiting:  # grows while it is walked
        name, wanted = _parse(requirement)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name in FROM_BLENDER and importlib.util.find_spec(name.replace("-", "_")):
                continue
            return Problem(
                message=f"The Python package {name}, which {needed_by} needs, is missing",
                hint="Disable and enable Cloudrender in Preferences > Add-ons, then restart Blender",
            )
        if problem := _check(name, wanted, found, needed_by=needed_by):
            return problem
        if name not in seen:
            seen.add(name)
            waiting += [(each, f"{name} {found.version}") for each in found.requires or () if _is_unconditional(each)]
    return None


def _check(name: str, wanted: str, found: metadata.Distribution, *, needed_by: str) -> Problem | None:
    folder = Path(str(found.locate_file("")))
    if unmet := [phrase for fits, phrase in _clauses(wanted, found.version) if not fits]:
        return Problem(
            message=f"{needed_by} needs {name} {', '.join(unmet)}, but {found.version} is installed",
            hint=_remedy(name, found.version, folder),
        )
    module = name.replace("-", "_")
    in_use = getattr(sys.modules.get(module), "__version__", None)
    if in_use and _numbers(str(in_use)) != _numbers(found.version):
        return Problem(
            message=f"{name} {in_use} is still in use, {found.version} is installed since",
            hint="Restart Blender",
        )
    if in_use or name in FROM_BLENDER:
        return None
    place = _imported_from(module)
    if place and place != folder.resolve():
        return Problem(
            message=f"Another add-on's {name}, of unknown version, takes the place of {found.version}",
            hint=_remedy(name, "", place),
        )
    return None


def _remedy(name: str, version: str, folder: Path) -> str:
    """Name who brings that version: an extension with such a wheel, or whoever put this folder on the path."""
    wheel = f"{name.replace('-', '_')}-{version}-*.whl"
    # .../extensions/.local/lib/python3.11/site-packages, and the wheels in .../extensions/REPOSITORY/EXTENSION/wheels
    extensions = [path.parent for path in folder.parents if path.name == ".local"]
    culprits = sorted({path.parent.parent.name for each in extensions for path in each.glob(f"*/*/wheels/{wheel}")})
    who = f"the extension {culprits[0]}" if culprits else f"the add-on that brings it in {folder}"
    return f"Update or disable {who}, then restart Blender"


def _imported_from(module: str) -> Path | None:
    """Return the folder an `import` would find the package in; None when it goes by another name."""
    spec = importlib.util.find_spec(module) if module not in sys.modules else sys.modules[module].__spec__
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parents[1 if spec.submodule_search_locations else 0]


def _parse(requirement: str) -> tuple[str, str]:
    """Split "jmespath (<2.0.0,>=0.7.1)" or the like into the package's usual name and the rest."""
    match = _REQUIREMENT.match(requirement)
    name, wanted = match.group(1, 2) if match else (requirement, "")
    return re.sub(r"[-_.]+", "-", name).lower(), wanted


def _is_unconditional(requirement: str) -> bool:
    """Tell whether it holds everywhere: extras, other systems and other Pythons are nothing to warn about."""
    match = _REQUIREMENT.match(requirement)
    return match is not None and not match.group(3)


def _clauses(wanted: str, version: str) -> Iterator[tuple[bool, str]]:
    """Yield for each part of ">=4,<6" whether the version fits, and the part in words; parts in other notations fit."""
    for clause in wanted.split(","):
        match = re.fullmatch(r"\s*([<>!=]=?)\s*([\w.]+)\s*", clause)
        if match and match.group(1) in _COMPARISONS:
            compare, phrase = _COMPARISONS[match.group(1)]
            yield compare(_numbers(version), _numbers(match.group(2))), phrase.format(match.group(2))


def _numbers(version: str) -> tuple[int, ...]:
    """Return (2, 9) for "2.9.0.post1": enough to compare releases."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in match.group().split(".")] if match else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
