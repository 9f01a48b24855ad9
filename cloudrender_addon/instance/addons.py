# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender, before the .blend is opened: start the add-ons that came with it. One that fails stops nothing.

Run as `blender -b -P addons.py FILE -P render.py -- PLAN WORK`, a plain file as render.py is; what went wrong lies in
WORK until render.py tells it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import signal
import sys
import traceback
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FOLDER = "_addons"  # below the project, as the backend's assets/addons.py has it
_NOTES = "addons.json"
_PACKAGES = "packages"
_START_SECONDS = 60
_REASON_LETTERS = 200


def main(modules: tuple[str, ...], project: Path, work: Path) -> None:
    """Start them, and leave a sentence about each that could not be."""
    folder, packages = project / _FOLDER, work / _PACKAGES
    sys.path += [str(folder), str(packages)]  # last, as Blender adds its own: nothing is to be hidden by them
    notes = []
    for module in modules:
        error = _start(module, folder=folder, packages=packages)
        if error is not None:
            traceback.print_exception(type(error), error, error.__traceback__)
            notes.append(_note(module, error))
    (work / _NOTES).write_text(json.dumps(notes), encoding="utf-8")


def addon_notes(work: Path) -> list[str]:
    """Return what `main` left there."""
    try:
        notes: list[str] = json.loads((work / _NOTES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return notes


def _note(module: str, error: BaseException) -> str:
    name = module.rpartition(".")[2]
    reason = traceback.format_exception_only(type(error), error)[-1].strip()[:_REASON_LETTERS].rstrip(".")
    text = f"The add-on {name} could not be started on the machine, so frames may look different: {reason}."
    return text.encode("utf-8", errors="replace").decode()


def _start(module: str, *, folder: Path, packages: Path) -> BaseException | None:
    """Enable one add-on; return what it failed with, or None."""
    addon_utils: Any = importlib.import_module("addon_utils")  # it is there once Blender is
    errors: list[BaseException] = []
    try:
        if addon_utils.check(module)[1]:
            return None  # part of Blender, or of the image
        parts = module.split(".")
        if parts[0] == "bl_ext":
            _open_repository(".".join(parts[:2]), folder.joinpath(*parts[:2]))
        for wheel in sorted(folder.joinpath(*parts).rglob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(packages)
        importlib.invalidate_caches()
        with _deadline():
            started = addon_utils.enable(module, default_set=True, refresh_handled=True, handle_error=errors.append)
        if started is None and not errors:
            errors.append(RuntimeError("Blender does not say why"))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the file can be rendered without
        errors.append(error)
    return errors[0] if errors else None


def _open_repository(name: str, folder: Path) -> None:
    """Let Python find extensions of the repository `name` in the folder too, before the image's own.

    As Blender does it: a package without a file whose path is the repository's folder. The preferences need not know
    of it, and nothing on the image's disk changes.
    """
    repository: Any = sys.modules.get(name)
    if repository is None:
        repository = types.ModuleType(name)
        repository.__path__ = []
        sys.modules[name] = repository
        parent, _, last = name.rpartition(".")
        setattr(importlib.import_module(parent), last, repository)
    if str(folder) not in repository.__path__:
        repository.__path__.insert(0, str(folder))


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """Interrupt an add-on that waits for something which the machine does not have, such as its license server."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"it took more than {_START_SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_START_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    plan_path, work_path = (Path(argument) for argument in sys.argv[sys.argv.index("--") + 1 :])
    sys.path.insert(0, str(here.parent))
    root = importlib.import_module(f"{here.name}.root")
    sys.path.pop(0)  # as render.py does
    main(root.read_plan(plan_path).addons, plan_path.parent / "project", work_path)
