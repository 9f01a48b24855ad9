# SPDX-License-Identifier: GPL-3.0-or-later
"""A project that uses files in every way renders the same from its bundle, and from nothing less than its bundle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

import cloudrender_addon.tracing

pytestmark = [pytest.mark.blender, pytest.mark.timeout(600)]

_TRACE = Path(cloudrender_addon.tracing.__file__).with_name("trace.py")
_REPOSITORY = Path(__file__).parents[3]
_BUILDER = "tests.tracing.whole_project"


class Whole:
    """The project in `folder`, and what real Blender does with it and its bundles."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self.folder = folder
        self.bundle = folder / "empty place"
        self.made: dict[str, Any] = json.loads(self._run("-m", _BUILDER, folder / "made").splitlines()[-1])
        self.blend = Path(self.made["blend"])
        self.needs: list[dict[str, Any]] = self.made["files"]

    def _run(self, *arguments: str | Path, may_crash: bool = False) -> str:
        done = subprocess.run(
            [self._python, *arguments],
            cwd=_REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=400,
            check=False,
        )
        crashed = may_crash and done.returncode == -signal.SIGSEGV
        assert done.returncode == 0 or crashed, f"{arguments}:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def trace(self, blend: Path) -> dict[str, Any]:
        """Trace the file or a snapshot of it."""
        request = {
            "blend": str(blend),
            "original": str(self.blend),
            "project": self.made["root"],
            "name": self.blend.relative_to(self.made["root"]).as_posix(),
            "staging": str(self.folder / "staging"),
            "result": str(self.folder / "traced.json"),
        }
        asked = self.folder / "request.json"
        asked.write_text(json.dumps(request), encoding="utf-8")
        self._run(_TRACE, "--", asked)
        answer: dict[str, Any] = json.loads((self.folder / "traced.json").read_text(encoding="utf-8"))
        assert "error" not in answer, answer
        return answer

    def look(self, blend: Path, without: dict[str, dict[str, Any]] | None = None) -> Any:
        """Render all pictures of a .blend; then, for each path of `without`, the one that shows it while it is away.

        Blender crashed now and then when a file was missing: for what it has not shown it is started again, twice at
        most. It must not crash when all is there.
        """
        result = self.folder / "seen.jsonl"
        result.unlink(missing_ok=True)
        seen: dict[str, dict[str, list[str]]] = {"pictures": {}, "without": {}}
        left = dict(without or {})
        for pictures in (self.made["pictures"], [], []):
            request = {
                "blend": str(blend),
                "pictures": pictures,
                "without": [(path, need["scene"], need["frame"]) for path, need in left.items()],
                "result": str(result),
            }
            asked = self.folder / "look.json"
            asked.write_text(json.dumps(request), encoding="utf-8")
            self._run("-m", f"{_BUILDER}.look", asked, may_crash=bool(left))
            for kind, name, cells in map(json.loads, result.read_text(encoding="utf-8").splitlines()):
                seen[kind][name] = cells
            assert len(seen["pictures"]) == len(self.made["pictures"])
            left = {path: need for path, need in left.items() if path not in seen["without"]}
            for away in self.bundle.rglob("*.away"):
                away.rename(away.with_suffix(""))
            if not left:
                break
        assert not left, "Blender crashed three times"
        return seen

    def unpack(self, answer: dict[str, Any]) -> Path:
        """Lay a bundle out in an empty folder; return its .blend."""
        for file in answer["files"]:
            target = self.bundle / file["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file["source"], target)
        return self.bundle / self.blend.relative_to(self.made["root"])

    def move_away(self) -> None:
        """Leave nothing where the paths of the original lead."""
        (self.folder / "made").rename(self.folder / "moved away")
        (self.folder / "staging").rename(self.folder / "staging moved away")

    def state(self) -> dict[str, tuple[int, int]]:
        """Size and time of all the user's files."""
        found = {}
        for folder, _, names in os.walk(self.folder / "made"):
            for name in names:
                status = os.lstat(os.path.join(folder, name))
                found[os.path.join(folder, name)] = (status.st_size, status.st_mtime_ns)
        return found


@pytest.fixture
def whole(blender_python: Path, tmp_path: Path) -> Whole:
    return Whole(blender_python, tmp_path)


def _different(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, list[int]]:
    """Return the cells that are not the same in two series of pictures."""
    assert one.keys() == other.keys()
    both = {name: zip(one[name], other[name], strict=True) for name in one}
    cells = {name: [cell for cell, (left, right) in enumerate(pairs) if left != right] for name, pairs in both.items()}
    return {name: changed for name, changed in cells.items() if changed}


def test_the_bundle_renders_the_same_and_no_file_of_it_can_be_spared(whole: Whole) -> None:
    before = whole.state()
    answer = whole.trace(whole.blend)
    assert whole.state() == before
    names = {file["name"]: file["source"] for file in answer["files"]}
    place = _places(names, whole.needs, whole.made["root"])
    assert len(place) >= 50
    assert set(names) - set(place.values()) == set(), "more is sent than is needed"
    _check_what_is_told(answer, whole.made)

    original = whole.look(whole.blend)["pictures"]
    blend = whole.unpack(answer)
    whole.move_away()
    shown = {str(whole.bundle / place[need["path"]]): need for need in whole.needs if need["scene"]}
    seen = whole.look(blend, {path: need for path, need in shown.items() if not need["kept_in_memory"]})
    assert _different(original, seen["pictures"]) == {}
    for path, need in shown.items():
        if need["kept_in_memory"]:
            seen["without"] |= whole.look(blend, {path: need})["without"]
    assert seen["without"].keys() == shown.keys()
    same = [path for path, need in shown.items() if seen["without"][path] == original[_picture(need)]]
    assert same == [], "these files make no difference"


def _picture(need: dict[str, Any]) -> str:
    return f"{need['scene']}@{need['frame']}"


def _places(names: dict[str, str], needs: list[dict[str, Any]], root: str) -> dict[str, str]:
    """Return for each path that is needed its name in the bundle."""
    by_source = {source: name for name, source in names.items()}
    place = {}
    lost = []
    for need in needs:
        path = Path(need["path"])
        if need["path"] in by_source:
            place[need["path"]] = by_source[need["path"]]
            continue
        # A .blend with other paths in it: its source is the copy.
        inside = path.relative_to(root).as_posix() if path.is_relative_to(root) else f"_outside/{path.parent.name}-"
        found = [name for name in names if name.startswith(inside) and name.endswith(path.name)]
        if path.suffix == ".blend" and len(found) == 1:
            place[need["path"]] = found[0]
        else:
            lost.append(need)
    assert lost == [], "these files are not sent"
    return place


def _check_what_is_told(answer: dict[str, Any], made: dict[str, Any]) -> None:
    assert [(entry["owner"], entry["path"]) for entry in answer["missing"]] == [
        (entry["owner"], entry["path"]) for entry in made["missing"]
    ]
    assert answer["left_out"] == []
    assert sorted(answer["viewport_only"]) == sorted(made["viewport_only"])


def test_a_snapshot_of_the_open_file_renders_the_same(whole: Whole) -> None:
    before = whole.state()
    answer = whole.trace(whole.folder / "made" / "snapshot" / whole.blend.name)
    assert whole.state() == before
    names = {file["name"]: file["source"] for file in answer["files"]}
    needs = [need for need in whole.needs if need["path"] != str(whole.blend)]
    assert len(_places(names, needs, whole.made["root"])) == len(names) - 1
    _check_what_is_told(answer, whole.made)

    original = whole.look(whole.blend)["pictures"]
    blend = whole.unpack(answer)
    whole.move_away()
    assert _different(original, whole.look(blend)["pictures"]) == {}
