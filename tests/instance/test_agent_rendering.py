# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendering loop where the machine runs out of disk, with a Blender that is only a list of replies."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudrender_addon.instance import rendering
from cloudrender_addon.instance.failure import Failure
from cloudrender_addon.instance.journal import Journal
from cloudrender_addon.instance.progress import Progress
from cloudrender_addon.instance.rendering import Rendering
from cloudrender_addon.instance.root import Root

SCENE = {"engine": "CYCLES", "device": "CPU", "devices": [], "format": "PNG", "extension": ".png", "notes": []}


class Blender:
    """Writes a small file for every frame, or replies with an error."""

    def __init__(self, work: Path, error: str) -> None:
        self.work = work
        self.error = error
        self.replies: list[dict[str, Any]] = [{"reply": "scene", **SCENE}]

    def __enter__(self) -> Blender:
        return self

    def __exit__(self, *_: object) -> None: ...

    def render(self, frame: int) -> None:
        if self.error:
            self.replies.append({"reply": "frame_error", "frame": frame, "message": self.error})
            return
        (self.work / str(frame)).mkdir()
        (self.work / str(frame) / f"{frame:04d}.png").write_bytes(b"pixels")
        self.replies.append({"reply": "frame", "frame": frame, "seconds": 1.0, "files": [f"{frame:04d}.png"]})

    def reply(self) -> dict[str, Any]:
        return self.replies.pop(0)


def render(folder: Path, *, error: str = "") -> Journal:
    root = Root(folder)
    root.frames.mkdir()
    journal = Journal(root.events)
    Rendering(
        root=root,
        progress=Progress([1, 2]),
        journal=journal,
        start=lambda work: Blender(work, error),
        notice=lambda: None,
    ).run()
    return journal


def almost_full(*_: object) -> Any:
    return SimpleNamespace(free=1_000_000)


def test_frames_are_published(tmp_path: Path) -> None:
    journal = render(tmp_path)
    assert [event["frame"] for event in journal.read() if event["event"] == "frame"] == [1, 2]


def test_no_frame_of_an_almost_full_disk_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering.shutil, "disk_usage", almost_full)
    with pytest.raises(Failure) as caught:
        render(tmp_path)
    assert caught.value.kind == "disk"
    assert not list((tmp_path / "frames").iterdir())


def test_an_error_on_an_almost_full_disk_is_one_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering.shutil, "disk_usage", almost_full)
    with pytest.raises(Failure) as caught:
        render(tmp_path, error="Render error: cannot save")
    assert caught.value.kind == "disk"
