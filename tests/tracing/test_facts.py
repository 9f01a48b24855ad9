# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a .blend besides its files; stereo, snapshots, and what is hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.blender, pytest.mark.timeout(300)]


def _names(report: dict[str, Any]) -> set[str]:
    return {file["name"] for file in report["result"]["files"]}


def test_simulations_that_are_not_baked_are_named(reports: dict[str, Any]) -> None:
    (warning,) = reports["simulations"]["result"]["warnings"]
    named = (
        "cloth of curtain, soft body of jelly, dynamic paint of pond, particles of rain, rigid bodies of scene Scene"
    )
    assert warning == f"Not baked, so it may look different on a machine that starts in the middle: {named} and 1 more."


def test_what_is_not_there_elsewhere_is_named(reports: dict[str, Any]) -> None:
    result = reports["foreign"]["result"]
    assert result["warnings"] == [
        "Scene Shot needs the render engine MY_ENGINE, which is an add-on's.",
        "Image unsaved has no file: what is in it was never saved.",
    ]
    assert result["scripts"] == ["boot.py", "1 driver with Python in the expression"]
    assert result["undefined_nodes"] == ["MyNode"]


def test_both_eyes_files_are_sent(reports: dict[str, Any]) -> None:
    sent = {name.rpartition("/")[2] for name in _names(reports["stereo"])}
    assert sent == {"view_L.png", "view_R.png", "strip_L.png", "strip_R.png", "main.blend"}
    assert reports["stereo"]["there"]["IMAGE view"]["found"]
    blend = Path(reports["stereo"]["unpacked"]).read_bytes()  # what Python is not shown
    other = next(name for name in _names(reports["stereo"]) if name.endswith("view_R.png"))
    assert blend.count(f"//{other}\0".encode()) == 1


def test_a_snapshot_finds_bakes_and_caches_beside_the_original(reports: dict[str, Any]) -> None:
    report = reports["bakes_of_a_snapshot"]
    names = {name if not name.startswith("bakes/") else "bakes/" for name in _names(report)}
    beside = {f"scenes/{name}" for name in ("main.blend", "tex/plain.png", "still.abc", "layer.abc")}
    assert names == beside | {"bakes/", "scenes/blendcache_main/cloth_000001_00.bphys"}
    assert report["result"]["missing"] == []
    assert report["there"]["IMAGE plain"]["stored"] == "//tex/plain.png"


def test_names_that_are_none_links_and_pipes_do_no_harm(reports: dict[str, Any]) -> None:
    names = _names(reports["hostile"])
    assert len([name for name in names if name.startswith("cache/rain_")]) == 3000
    assert {name for name in names if not name.startswith("cache/rain_")} == {
        *("fluid/data/1.vdb", "main.blend", "broken.blend", "changed.blend")
    }
    assert {entry["why"] for entry in reports["hostile"]["result"]["left_out"]} == {"its name is not valid text"}


def test_what_cannot_be_read_in_libraries_is_missing(reports: dict[str, Any]) -> None:
    missing = {entry["owner"]: entry["library"] for entry in reports["hostile"]["result"]["missing"]}
    assert missing == {
        "library broken.blend (it cannot be read)": "",
        "object lost thing (it is not in the library)": "changed.blend",
    }
