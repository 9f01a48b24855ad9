# SPDX-License-Identifier: GPL-3.0-or-later
"""What all kinds of dependencies are shown on: small scenes of 8 × 8 cells, and the list of the files they need."""

from __future__ import annotations

import colorsys
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bpy

from tests.tracing.whole_project.parts import add_effect

CELLS = 8
PIXELS_PER_CELL = 8


@dataclass(frozen=True)
class Need:
    """One file that must be in the bundle.

    Without it `scene` looks different at `frame`; `hidden` says why it does not show in any picture instead.
    If `kept_in_memory`, a Blender that has read it once shows it even when it is gone.
    """

    path: str
    kind: str
    scene: str
    frame: int
    hidden: str
    kept_in_memory: bool


class Stage:
    """A project below `folder`/project, and files that it uses in `folder`/elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.outside = folder / "elsewhere"
        self._inner = self.root
        self._prefix = ""
        self.blend = self.root / "shots" / "Küche 01.blend"
        self.needs: list[Need] = []
        self.watched: list[tuple[str, int]] = []
        self.missing: list[dict[str, str]] = []
        self.viewport_only: list[str] = []
        self._hue = 0.0
        self._taken: dict[str, int] = {}
        self.kind = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "root": str(self.root),
            "blend": str(self.blend),
            "files": [asdict(need) for need in self.needs],
            "pictures": sorted({(need.scene, need.frame) for need in self.needs if need.scene} | set(self.watched)),
            "missing": self.missing,
            "viewport_only": self.viewport_only,
        }

    def scenes_within(self, name: str) -> list[str]:
        """The scenes that were made within a name and have something to show."""
        return sorted({need.scene for need in self.needs if need.scene.startswith(f"{name} ")})

    def run(self, kind: Callable[[Stage], None], *, of: str = "") -> None:
        """Build one kind of dependency, which is named by the function's first line."""
        assert kind.__doc__
        self.kind = of + kind.__doc__.splitlines()[0].rstrip(".")
        kind(self)

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Let all files and scenes that are made be others, in a folder and with a prefix of that name."""
        before = self._inner, self.outside, self._prefix
        self._inner, self.outside, self._prefix = self.root / name, self.outside / name, f"{name} "
        try:
            yield
        finally:
            self._inner, self.outside, self._prefix = before

    def need(
        self, *paths: Path, scene: str = "", frame: int = 1, hidden: str = "", kept_in_memory: bool = False
    ) -> None:
        assert bool(scene) != bool(hidden)
        for path in paths:
            assert path.is_file(), path
            self.needs.append(Need(str(path), self.kind, scene and self._prefix + scene, frame, hidden, kept_in_memory))

    def watch(self, scene: str, frame: int) -> None:
        """Compare this picture, too, though no file is needed for it."""
        self.watched.append((self._prefix + scene, frame))

    def place(self, name: str) -> Path:
        """A path in the project, whose folder exists."""
        path = self._inner / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def away(self, name: str) -> Path:
        """A path outside the project, whose folder exists."""
        path = self.outside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def relative(self, path: Path) -> str:
        """How Blender notes the path in the file that is open."""
        return "//" + os.path.relpath(path, Path(bpy.data.filepath).parent).replace(os.sep, "/")

    def relative_for_cycles(self, path: Path) -> str:
        """How the file that is open notes a path in a node of Cycles' own.

        From 5.0 on Cycles takes these from the .blend that is rendered, those of libraries, too.
        """
        base = self.blend if bpy.app.version >= (5, 0) else Path(bpy.data.filepath)
        return "//" + os.path.relpath(path, base.parent).replace(os.sep, "/")

    # Pictures

    def color(self) -> tuple[float, float, float, float]:
        """One that was not used before, and not the pink of what is missing."""
        self._hue = (self._hue + 0.618) % 1
        return (*colorsys.hsv_to_rgb(self._hue, 0.7, 0.9), 1.0)

    def picture(self, path: Path, *, file_format: str = "PNG", size: int = 4) -> Path:
        """Write a picture of one colour."""
        image = bpy.data.images.new("picture", size, size, float_buffer=file_format in ("OPEN_EXR", "HDR"))
        image.pixels.foreach_set(list(self.color()) * (size * size))
        image.file_format = file_format
        image.filepath_raw = str(path)
        image.save()
        bpy.data.images.remove(image)
        return path

    def movie(self, path: Path, *, frames: int = 3) -> Path:
        """Write a movie, every frame of another colour."""
        scene = bpy.data.scenes.new("movie")
        scene.frame_start, scene.frame_end = 1, frames
        scene.render.resolution_x = scene.render.resolution_y = 16  # smaller ones Blender refuses
        scene.render.filepath = str(path)
        scene.render.use_file_extension = False
        settings = scene.render.image_settings
        if bpy.app.version >= (5, 0):
            settings.media_type = "VIDEO"
        settings.file_format = "FFMPEG"
        scene.render.ffmpeg.format = "MKV"
        scene.render.ffmpeg.codec = "FFV1"
        for frame in range(1, frames + 1):
            strip = add_effect(scene, name=f"c{frame}", kind="COLOR", channel=1, start=frame, length=1)
            strip.color = self.color()[:3]
        bpy.ops.render.render(animation=True, scene=scene.name)
        bpy.data.scenes.remove(scene)
        return path

    # Scenes

    def scene(self, name: str) -> Any:
        """The scene of that name, made on first use: seen straight from above, rendered fast and always the same."""
        name = self._prefix + name
        if scene := bpy.data.scenes.get(name):
            return scene
        scene = bpy.data.scenes.new(name)
        scene.frame_start, scene.frame_end = 1, 3
        scene.render.engine = "CYCLES"
        scene.cycles.samples = 1
        scene.cycles.use_adaptive_sampling = False
        scene.cycles.use_denoising = False
        scene.cycles.seed = 7
        scene.render.resolution_x = scene.render.resolution_y = CELLS * PIXELS_PER_CELL
        scene.render.use_stamp = False
        camera = bpy.data.cameras.new(name)
        camera.type = "ORTHO"
        camera.ortho_scale = CELLS
        scene.camera = bpy.data.objects.new(f"Camera {name}", camera)
        scene.camera.location = (CELLS / 2 - 0.5, CELLS / 2 - 0.5, 10)
        scene.collection.objects.link(scene.camera)
        return scene

    @contextmanager
    def at_work_in(self, name: str) -> Iterator[Any]:
        """Let operators work in that scene."""
        scene = self.scene(name)
        window = bpy.context.window_manager.windows[0]
        before = window.scene
        window.scene = scene
        try:
            yield scene
        finally:
            window.scene = before

    def cell(self, scene: str) -> tuple[float, float, float]:
        """The middle of the next free cell of a scene."""
        name = self._prefix + scene
        number = self._taken.get(name, 0)
        assert number < CELLS * CELLS
        self._taken[name] = number + 1
        return (number % CELLS, number // CELLS, 0.0)

    def show(self, obj: Any, scene: str, material: Any = None) -> Any:
        """Put an object into the next free cell of a scene."""
        obj.location = self.cell(scene)
        self.scene(scene).collection.objects.link(obj)
        if material:
            obj.data.materials.append(material)
        return obj
