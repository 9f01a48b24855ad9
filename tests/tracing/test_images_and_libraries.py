# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .blend uses is found, its paths are rewritten, and all is there when the bundle is unpacked elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.blender, pytest.mark.timeout(300)]


def _names(report: dict[str, Any]) -> set[str]:
    return {file["name"] for file in report["result"]["files"]}


def _sources(report: dict[str, Any]) -> dict[str, str]:
    return {file["name"]: file["source"] for file in report["result"]["files"]}


def _stored(report: dict[str, Any], block: str) -> str:
    found = report["there"][block]
    assert found["found"], f"{block} leads nowhere: {found['stored']}"
    return found["stored"]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("plain", "//tex/plain.png"),
        ("case", "//tex/Wood Grain.png"),
        ("unicode", "//tex/über/Ñandú 木.png"),
        ("backslash", "//tex/back.png"),
        ("dots", "//up.png"),
        ("absolute", "//abs.png"),
        ("link", "//linked.png"),
        ("in linked folder", "//linked folder/outside.png"),
        ("sequence", "//seq/frame_0001.png"),
    ],
)
def test_images_are_found_however_they_are_spelt(reports: dict[str, Any], name: str, stored: str) -> None:
    assert _stored(reports["images"], f"IMAGE {name}") == stored


@pytest.mark.parametrize(
    ("name", "folder"), [("outside", "textures"), ("outside again", "images"), ("through linked folder", "textures")]
)
def test_what_is_outside_the_project_gets_a_place_in_it(reports: dict[str, Any], name: str, folder: str) -> None:
    stored = _stored(reports["images"], f"IMAGE {name}")
    assert stored.startswith(f"//_outside/{folder}-")


def test_a_name_that_is_no_text_is_sent_under_another(reports: dict[str, Any]) -> None:
    stored = _stored(reports["images"], "IMAGE strange")
    assert stored.startswith("//tex/__-")
    assert stored.endswith(".png")


def test_all_numbers_and_tiles_are_sent_and_nothing_else(reports: dict[str, Any]) -> None:
    sent = {name for name in _names(reports["images"]) if name.startswith(("seq/", "tiles/"))}
    numbers = {f"seq/frame_{number}.png" for number in ("0001", "0002", "0010", "12345")}
    tiles = {f"tiles/skin.{number}.png" for number in (1001, 1002, 1011)}
    assert sent == numbers | tiles | {"tiles/uv_u1_v1.png", "tiles/uv_u2_v1.png", "tiles/uv_u1_v2.png"}


def test_missing_images_are_named(reports: dict[str, Any]) -> None:
    missing = {entry["owner"]: entry["path"] for entry in reports["images"]["result"]["missing"]}
    assert set(missing) == {"image missing", "image windows"}
    assert missing["image missing"].endswith("/project/tex/nowhere.png")
    assert missing["image windows"].endswith("far.png")


def test_what_only_the_viewport_shows_is_not_sent(reports: dict[str, Any]) -> None:
    report = reports["images"]
    shown = {path.rpartition("/")[2] for path in report["result"]["viewport_only"]}
    assert shown == {"brush.png", "empty.png", "unused.png"}
    assert not [name for name in _names(report) if name.startswith("no/")]  # packed and generated ones neither


@pytest.mark.parametrize("case", ["images", "libraries", "untouched", "snapshot", "caches", "nodes"])
def test_the_users_files_are_not_touched(reports: dict[str, Any], case: str) -> None:
    assert not reports[case]["touched"]


@pytest.mark.parametrize("case", ["images", "libraries", "snapshot", "packed"])
def test_what_has_not_changed_is_not_copied_again(reports: dict[str, Any], case: str) -> None:
    assert reports[case]["again"]


def test_libraries_and_theirs_are_sent_and_rewritten(reports: dict[str, Any]) -> None:
    report = reports["libraries"]
    for block in ("LIBRARY middle.blend", "LIBRARY deep.blend", "LIBRARY untouched.blend", "LIBRARY circle.blend"):
        _stored(report, block)
    assert _stored(report, "IMAGE wood") == "//wood.png"
    there = report["there"]["objects"]
    assert [name for name, is_there in there.items() if not is_there] == ["lost thing"]


def test_a_library_in_which_nothing_changes_is_sent_as_it_is(reports: dict[str, Any]) -> None:
    sources = _sources(reports["libraries"])
    assert sources["props/untouched.blend"].endswith("/project/props/untouched.blend")
    assert sources["circle.blend"].endswith("/project/circle.blend")
    assert "/staging/" in sources["main.blend"]


def test_a_missing_library_is_named_and_what_nobody_links_is_not_missed(reports: dict[str, Any]) -> None:
    (missing,) = reports["libraries"]["result"]["missing"]
    assert (missing["owner"], missing["library"]) == ("library lost.blend", "")


def test_a_file_in_which_nothing_changes_is_sent_as_it_is(reports: dict[str, Any]) -> None:
    sources = _sources(reports["untouched"])
    assert set(sources) == {"main.blend", "tex/plain.png"}
    assert sources["main.blend"].endswith("/project/main.blend")


def test_a_snapshot_finds_the_originals_files_and_takes_its_place(reports: dict[str, Any]) -> None:
    report = reports["snapshot"]
    assert _names(report) == {"scenes/main.blend", "scenes/tex/plain.png"}
    assert _stored(report, "IMAGE plain") == "//tex/plain.png"


def test_what_is_packed_of_a_library_finds_its_images(reports: dict[str, Any], version: str) -> None:
    report = reports["packed"]
    assert report["result"]["missing"] == []
    assert _stored(report, "IMAGE own") == "//tex/wood.png"
    assert _stored(report, "IMAGE wood").startswith("//../tex-")
    has_library = any(name.endswith("library.blend") for name in _names(report))
    assert has_library == (version < "5.0")
