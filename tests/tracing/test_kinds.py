# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of file that a .blend may use is sent, nothing else is, and it is found where the bundle is unpacked."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytestmark = [pytest.mark.blender, pytest.mark.timeout(300)]


def _sent(report: dict[str, Any]) -> set[str]:
    """Return the names of what is sent, without the hashes in them."""
    names = set()
    for file in report["result"]["files"]:
        outside, _, rest = file["name"].partition("_outside/")
        folder, _, name = rest.partition("/")
        names.add(f"{folder[:-9]}: {name}" if rest else outside)
    return names - {"main.blend"}


def _lost(report: dict[str, Any]) -> set[str]:
    """Return which paths of the unpacked .blend lead to nothing in the bundle."""
    there = dict(report["there"])
    more, there["objects"] = there.pop("more"), {"found": True}
    inside = os.path.dirname(report["unpacked"])
    astray = {what for what, path in more.items() if not (path.startswith(inside) and os.path.exists(path))}
    return astray | {what for what, found in there.items() if not found["found"]}


def test_datablocks(reports: dict[str, Any]) -> None:
    report = reports["datablocks"]
    alembic = {f"elsewhere: {name}.abc" for name in ("still", "moving_01", "moving_02", "layer")}
    volumes = {f"vdb/{name}.vdb" for name in ("smoke_0007", "smoke_0008", "smoke_0009", "cloud_0007")}
    clips = {"clip/take_001.png", "clip/take_002.png", "elsewhere: movie.mp4"}
    assert _sent(report) == alembic | volumes | clips | {"elsewhere: sound.wav", "fonts/letters.woff2"}
    assert _lost(report) == {"MOVIECLIP background", "FONT Bfont Regular"}
    assert [path.rpartition("/")[2] for path in report["result"]["viewport_only"]] == ["background.png"]
    assert report["result"]["missing"] == []


def test_strips(reports: dict[str, Any]) -> None:
    report = reports["strips"]
    images = {"media/a.png", "media/b.png", "media/c.png"}  # on the disk one is B.png, the folder is media
    assert _sent(report) == images | {"elsewhere: film.mp4", "media/other.mp4"}
    assert _lost(report) == {"strip lost"}
    assert [entry["owner"] for entry in report["result"]["missing"]] == ["movie strip lost"]


def test_modifiers(reports: dict[str, Any]) -> None:
    report = reports["modifiers"]
    sent = {name.replace(part, "ID") if (part := _bake_id(name)) else name for name in _sent(report)}
    bakes = {f"{folder}{rest}" for folder in ("bakes/ID/", "own bake: ") for rest in _BAKE}
    assert sent == bakes | {"elsewhere: points.pc2", "ocean: disp_0001.exr", "ocean: foam_0001.exr", "carved.btx"}
    assert _lost(report) == set()


_BAKE = ("meta/000010_000.json", "blobs/000010_000.blob")


def _bake_id(name: str) -> str:
    return name.split("/")[1] if name.startswith("bakes/") else ""


def test_caches(reports: dict[str, Any]) -> None:
    report = reports["caches"]
    own = {f"blendcache_main/{name}_000001_00.bphys" for name in ("cloth", "soft", "hair", "rigid")}
    fluid = {"fluid: data/fluid_data_0001.vdb", "fluid: config/config_0001.uni"}
    assert _sent(report) == own | fluid | {"particles: rain_000001_00.bphys"}
    assert _lost(report) == {"home cache", "root cache", "link cache"}


def test_folders_in_which_no_cache_can_be_are_not_walked(reports: dict[str, Any]) -> None:
    why = {entry["owner"].rpartition(" ")[2]: entry["why"] for entry in reports["caches"]["result"]["left_out"]}
    assert why == {
        "nothing": "not walked: the path is empty",
        "root": "not walked: it is a whole disk",
        "link": "not walked: it is a whole disk",
        "home": "not walked: it is the home folder",
        "above": "not walked: the project folder is in it",
    }


def test_light_distributions_of_libraries_are_where_cycles_looks_for_them(
    reports: dict[str, Any], version: str
) -> None:
    report = reports["lamps"]
    of_main = version >= "5.0"
    there = {what for what, path in report["there"]["more"].items() if "/unpacked/" in path and os.path.exists(path)}
    assert ("lamp far" if of_main else "lamp far of its library") in there
    assert ("lamp mine" in there) == of_main
    assert ("lamp near" in there, "lamp near of its library" in there) == (False, True)
    missing = {entry["owner"] for entry in report["result"]["missing"]}
    assert missing == (set() if of_main else {"IES node of light mine"})


def test_nodes(reports: dict[str, Any], version: str) -> None:
    report = reports["nodes"]
    script = {"osl: glow.osl", "osl: glow.oso", "osl: more/parts.h"}
    imported = {"elsewhere: shape.stl", "elsewhere: chosen.csv"} if version >= "4.5" else set()
    assert _sent(report) == script | imported | {"lamp.ies", "elsewhere: gobo.png"}
    assert _lost(report) == set()
