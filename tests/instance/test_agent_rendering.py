# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendering loop where the machine runs out of disk, with a Blender that is only a list of replies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudrender_addon.instance import rendering
from cloudrender_addon.instance.failure import Failure
from cloudrender_addon.instance.journal import Journal
from cloudrender_addon.instance.leaving import Leaving
from cloudrender_addon.instance.progress import Progress
from cloudrender_addon.instance.rendering import Rendering
from cloudrender_addon.instance.root import Root
from tests.unit.small_png import png

SCENE = {"engine": "CYCLES", "device": "CPU", "devices": [], "format": "PNG", "extension": ".png", "notes": []}


class Blender:
    """Writes an image for every frame, the first ones as given, or replies with an error."""

    def __init__(self, work: Path, error: str, images: list[bytes]) -> None:
        self.work = work
        self.error = error
        self.images = images
        self.replies: list[dict[str, Any]] = [{"reply": "scene", **SCENE}]

    def __enter__(self) -> Blender:
        return self

    def __exit__(self, *_: object) -> None: ...

    def render(self, frame: int) -> None:
        if self.error:
            self.replies.append({"reply": "frame_error", "frame": frame, "message": self.error})
            return
        (self.work / str(frame)).mkdir()
        (self.work / str(frame) / f"{frame:04d}.png").write_bytes(self.images.pop(0) if self.images else png(frame))
        self.replies.append({"reply": "frame", "frame": frame, "seconds": 1.0, "files": [f"{frame:04d}.png"]})

    def reply(self, *, unless: Callable[[], bool]) -> dict[str, Any]:
        assert not unless()
        return self.replies.pop(0)


class Stay(Leaving):
    """No reason to leave the machine."""

    def __init__(self) -> None: ...

    def reason(self) -> str:
        return ""

    def in_vain(self, *, since: float) -> bool:
        return False


def render(folder: Path, *, error: str = "", images: tuple[bytes, ...] = ()) -> Journal:
    root = Root(folder)
    root.frames.mkdir()
    journal = Journal(root.events)
    first = list(images)
    Rendering(
        root=root,
        progress=Progress([1, 2]),
        journal=journal,
        start=lambda work: Blender(work, error, first),
        leaving=Stay(),
    ).run()
    return journal


def almost_full(*_: object) -> Any:
    return SimpleNamespace(free=1_000_000)


def test_frames_are_published(tmp_path: Path) -> None:
    journal = render(tmp_path)
    assert [event["frame"] for event in journal.read() if event["event"] == "frame"] == [1, 2]


def test_a_frame_that_is_no_complete_image_is_rendered_again(tmp_path: Path) -> None:
    journal = render(tmp_path, images=(png(1)[:-1],))
    assert [event["frame"] for event in journal.read() if event["event"] == "frame"] == [2, 1]
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["0001.png", "0002.png"]


def test_it_is_set_aside_when_that_does_not_help(tmp_path: Path) -> None:
    # Frame 1, frame 2, and frame 1 again.
    journal = render(tmp_path, images=(b"", png(2), b"Segmentation fault"))
    said = [event for event in journal.read() if event["event"] in ("frame", "frame_failed")]
    assert [(event["event"], event["frame"]) for event in said] == [("frame", 2), ("frame_failed", 1)]
    assert said[1]["reason"] == "Blender wrote 0001.png, which is no complete image: it does not begin like one"
    assert [path.name for path in (tmp_path / "frames").iterdir()] == ["0002.png"]


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
