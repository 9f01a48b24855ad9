# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trace wrote is read, and nothing of it is taken on trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.assets.trace_result import LeftOut, MissingFile, read_result
from cloudrender_addon.backend.errors import LocalBlenderError
from tests.unit.blenders import result_of


def read(tmp_path: Path, data: Any) -> Any:
    path = tmp_path / "result.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_result(path, blend="a.blend")


def test_all_of_it(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        result_of(
            (tmp_path / "a.blend", "a.blend"),
            (tmp_path / "ü.png", "_outside/x-0123abcd/ü.png"),
            missing=[{"owner": "image Wood", "path": "/w.png", "library": "chars.blend"}],
            left_out=[{"owner": "cache", "path": "/", "why": "it is a whole disk"}],
            warnings=["Cloth is not baked."],
            viewport_only=["guide.png"],
        ),
    )
    assert [file.name for file in result.files] == ["a.blend", "_outside/x-0123abcd/ü.png"]
    assert result.missing == (MissingFile(owner="image Wood", path="/w.png", library="chars.blend"),)
    assert str(result.missing[0]) == "image Wood of chars.blend (/w.png)"
    assert result.left_out == (LeftOut(owner="cache", path="/", why="it is a whole disk"),)
    assert result.warnings == ("Cloth is not baked.",) and result.viewport_only == ("guide.png",)


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../a.png", "x/../../a.png", "x//a.png", "./a.png", "x/", "a\0.png", "\udc80", "x" * 256,
     "a.blend", "a.blend/x.png", "/".join(["ab"] * 1500)],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalBlenderError, match="cannot be read"):
        read(tmp_path, result_of((tmp_path / "a.blend", "a.blend"), (tmp_path / "b", name)))


@pytest.mark.parametrize(
    "change",
    [{"files": None}, {"files": [1]}, {"files": [{"source": "/a", "name": 1}]}, {"files": [{"source": 1, "name": "a"}]},
     {"files": [{"source": "relative.blend", "name": "a.blend"}]}, {"files": []}, {"missing": {}}, {"missing": ["x"]},
     {"missing": [{"owner": "a", "path": None, "library": ""}]}, {"warnings": [1]}, {"warnings": "text"},
     {"blends": [{"name": "a", "path": "/a", "size": "1", "mtime_ns": 1}]}, {"blends": None},
     {"left_out": [{"owner": "a"}]}, {"viewport_only": [["x"]]},
     {"scripts": [None]}, {"undefined_nodes": "x"}, {"error": "text"}, {"error": {"message": 1}}],
)  # fmt: skip
def test_anything_of_the_wrong_type_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(LocalBlenderError, match="cannot be read"):
        read(tmp_path, {**result_of((tmp_path / "a.blend", "a.blend")), **change})


@pytest.mark.parametrize("text", ["", "[]", "nul", "[" * 100_000, '{"files": []}'])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(LocalBlenderError, match="cannot be read"):
        read(tmp_path, text)
    with pytest.raises(LocalBlenderError, match="cannot be read"):
        read_result(tmp_path / "nothing.json", blend="a.blend")


def test_what_the_trace_says_it_could_not_do(tmp_path: Path) -> None:
    with pytest.raises(LocalBlenderError, match="not a blend") as caught:
        read(tmp_path, {"error": {"message": "not a blend", "hint": "Save it again"}})
    assert caught.value.hint == "Save it again"
