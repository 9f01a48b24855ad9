# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Snapshot: one small frame of a bundle beside the same frame of the open file, before anything is paid.

The bundle is laid out where nothing of the user's is within reach. Both frames are rendered by a Blender of this
computer in the background, of the same scene with the same seed, so that they are the same to the bit unless
something is missing. Nothing of the user's is written to.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .assets.bundle import Bundle
from .assets.layout import lay_out
from .cancel import CancelToken
from .errors import LocalBlenderError, ProjectError, RenderError
from .local_blender import LocalBlender
from .setting_values import Send

OPEN_FILE, BUNDLE, DIFFERENCE = "open-file.png", "bundle.png", "difference.png"

_SCRIPT = Path(__file__).resolve().parents[1] / "tracing" / "small_frame.py"
_LONGEST = 480  # pixels
_SAMPLES = 8
_SECONDS = 1800.0
_SCRATCH = "check-"
_OLD_SECONDS = 86_400.0
_ANYWHERE = "CYCLES"
"""The engine that needs no graphics card."""

_REMEDIES: dict[Send, str] = {
    "folder": "Probably it uses files outside of that folder, or what .cloudrenderignore names: Used Files in Send "
    "(--send used) finds these; the picture of the difference shows where",
    "used": "Probably a script reads files of its own: Whole Project Folder in Send (--send folder) takes them along; "
    "the picture of the difference shows where, and the notes what was not sent",
}
"""By what was sent: the likely cause, and the next step, for frames that differ or lead out of the bundle."""


@dataclass(frozen=True, kw_only=True)
class SnapshotCheck:
    """What came of it. A picture that there is not is None.

    `differing` is the share of pixels that differ, None if there are no two to compare: `reason` says why, `hint` what
    to do. `reached` are files outside the bundle that it still leads to. `notes` are for the user.
    """

    frame: int | None = None
    differing: float | None = None
    reached: tuple[str, ...] = ()
    reason: str = ""
    hint: str = ""
    open_file: Path | None = None
    bundle: Path | None = None
    difference: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether the frame looks the same, wherever the bundle is."""
        return self.differing == 0 and not self.reached

    @property
    def verdict(self) -> str:
        """The result in one line."""
        if self.differing is None:
            return f"No picture: {self.reason}"
        if self.differing:
            return f"Different: {percent(self.differing)} of the pixels of frame {self.frame}"
        if self.reached:
            return f"Frame {self.frame} is the same here, but by files outside of the bundle"
        return f"Identical: frame {self.frame} of the bundle is the same to the pixel"


def percent(share: float) -> str:
    """Write a share that is not zero, so that it never looks like zero.

    >>> percent(0.1234), percent(0.00001), percent(1.0)
    ('12 %', '0.001 %', '100 %')
    """
    number = max(share * 100, 0.001)
    return f"{number:.2g} %" if number < 99.5 else "100 %"


def check_snapshot(
    bundle: Bundle,
    *,
    blend: str,
    open_file: Path,
    original: Path | None,
    blender: LocalBlender,
    output: Path,
    scratch: Path,
    send: Send,
    say: Callable[[str], None],
    cancel: CancelToken,
) -> SnapshotCheck:
    """Render both frames into the folder `output`, and compare them.

    `blend` is the name of the .blend in the bundle. `open_file` is what the bundle was made of: the user's own file, or
    a copy of it whose relative paths lead to the user's files; `original` is where the user's own is (None: nowhere).
    `scratch` is an empty folder that the caller removes. `send` is how the bundle was chosen, for the remedy.
    Raises `Cancelled`, `ProjectError`.
    """
    frames = _SmallFrames(blender=blender, scratch=scratch, cancel=cancel)
    one, other, difference = (output / name for name in (OPEN_FILE, BUNDLE, DIFFERENCE))
    result = SnapshotCheck()
    try:
        output.mkdir(parents=True, exist_ok=True)
        for picture in (one, other, difference):
            picture.unlink(missing_ok=True)
        place = scratch / "bundle"
        lay_out(bundle, place, check=cancel.check)
        copy = scratch / "open" / (original or open_file).name
        copy.parent.mkdir()
        if original is not None:
            _copy_caches(original, copy, cancel=cancel)
    except OSError as error:
        raise ProjectError(
            f"The check cannot be made in {scratch} and {output} ({error.strerror})", hint="Make room on that disk"
        ) from error
    try:
        say("Rendering a small frame of the open file")
        request = {"blend": str(open_file), "copy": str(copy), "original": str(original) if original else None}
        answer = frames.render(one, request)
        result = replace(result, frame=answer["frame"], open_file=one)
        say("Rendering the same frame from the bundle")
        request = {"blend": str(place / blend), "root": str(place), "against": str(one), "difference": str(difference)}
        answer = frames.render(other, request)
    except (LocalBlenderError, RenderError) as error:
        result = replace(result, reason=error.message, hint=error.hint)
    else:
        result = replace(result, bundle=other, differing=answer["differing"], reached=tuple(answer["reached"]))
        if result.differing is None:
            result = replace(result, reason="the pictures are not of the same size", hint="Please report it")
        elif not result.identical:
            result = replace(result, hint=_REMEDIES[send])
    return replace(result, difference=difference if difference.is_file() else None, notes=tuple(frames.notes))


@contextlib.contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """Make an empty folder for the time of the block, on the disk of the user's data. Raises `ProjectError`."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        for left in home.glob(f"{_SCRATCH}*"):  # by a check that was killed
            if left.stat().st_mtime < time.time() - _OLD_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        folder = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=home, ignore_cleanup_errors=True)
    except OSError as error:
        raise ProjectError(
            f"The check cannot be made in {home} ({error.strerror})",
            hint="Make room on that disk, or set another folder: CLOUDRENDER_HOME",
        ) from error
    with folder as name:
        yield Path(name)


class _SmallFrames:
    """Renders them one after the other, all by the same engine."""

    def __init__(self, *, blender: LocalBlender, scratch: Path, cancel: CancelToken) -> None:
        self._blender = blender
        self._scratch = scratch
        self._cancel = cancel
        self._engine: str | None = None
        self.notes: list[str] = []

    def render(self, picture: Path, request: dict[str, Any]) -> dict[str, Any]:
        """Return what `tracing/small_render.py` answers. Raises `LocalBlenderError`, `RenderError`, `Cancelled`."""
        try:
            answer = self._ask(picture, request)
        except (LocalBlenderError, RenderError):
            engine = self._answer().get("engine", _ANYWHERE)
            if self._engine is not None or engine == _ANYWHERE:
                raise
            self._engine = _ANYWHERE
            self.notes.append(f"Both were rendered by Cycles: {engine} does not run in the background here")
            answer = self._ask(picture, request)
        self._engine = answer["engine"]
        return answer

    def _ask(self, picture: Path, request: dict[str, Any]) -> dict[str, Any]:
        options = {"longest": _LONGEST, "samples": _SAMPLES, "engine": self._engine}
        whole = {**request, **options, "picture": str(picture), "result": str(self._result)}
        self._result.unlink(missing_ok=True)
        path = self._scratch / "request.json"
        path.write_text(json.dumps(whole), encoding="utf-8")
        log = self._scratch / "blender.log"
        try:
            self._blender.run(_SCRIPT, str(path), log=log, seconds=_SECONDS, cancel=self._cancel)
        finally:
            self._remove_compiled()
        answer = self._answer()
        if "error" in answer:
            raise RenderError(answer["error"]["message"], hint=answer["error"]["hint"])
        return answer

    def _remove_compiled(self) -> None:
        """Remove what a Blender that was killed, or crashed, has left beside the user's scripts."""
        left = self._answer().get("compiled")
        for name in left if isinstance(left, list) else ():
            path = Path(str(name))
            if path.suffix == ".oso":
                with contextlib.suppress(OSError):
                    path.unlink()

    @property
    def _result(self) -> Path:
        return self._scratch / "result.json"

    def _answer(self) -> dict[str, Any]:
        """Return what is in the result by now: a Blender that crashes has at least noted the engine before."""
        try:
            answer = json.loads(self._result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return answer if isinstance(answer, dict) else {}


def _copy_caches(original: Path, copy: Path, *, cancel: CancelToken) -> None:
    """Put the disk caches of simulations beside the copy: they are found by the .blend's place and name.

    Not links: without a bake, a simulation writes to them.
    """

    def each(source: str, target: str) -> None:
        cancel.check()
        shutil.copyfile(source, target)

    caches = original.with_name(f"blendcache_{original.stem}")
    if caches.is_dir():
        shutil.copytree(caches, copy.with_name(caches.name), copy_function=each)
