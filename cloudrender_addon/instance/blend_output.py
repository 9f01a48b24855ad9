# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: what files a frame becomes, and where Blender versions differ in that.

5.0 gave image settings a `media_type`, File Output nodes other properties, and the compositor another home;
5.2 gave the render a `save_output`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def frame_label(frame: int) -> str:
    """Return the frame as Blender writes it for `####`.

    >>> frame_label(7), frame_label(-7), frame_label(12345)
    ('0007', '-0007', '12345')
    """
    return f"{frame:0{4 if frame >= 0 else 5}d}"


def choose_format(scene: Any) -> list[str]:
    """Make the scene write stills that nothing skips, in its own format if that has stills; return notes."""
    render, image = scene.render, scene.render.image_settings
    notes = []
    if render.is_movie_format:
        notes.append(f"The scene's output is a movie ({image.file_format}); its frames are rendered as PNG images.")
        if hasattr(image, "media_type"):
            image.media_type = "IMAGE"
        image.file_format = "PNG"
    render.use_file_extension = True
    render.use_overwrite = True
    render.use_placeholder = False
    if hasattr(render, "save_output"):
        render.save_output = True
    return notes


def compositor_tree(scene: Any) -> Any:
    """Return the scene's compositing nodes, or None."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


_LONGEST_NAME = 180  # the end is kept: frame number and extension are there


class FileOutputs:
    """The compositor's File Output nodes: their files are to come back too, whatever folder they name."""

    def __init__(self, scene: Any) -> None:
        self.notes: list[str] = []
        self._nodes: dict[str, _FileOutput] = {}
        for node in _file_outputs(compositor_tree(scene), set()):
            if node.id_data.library:
                self.notes.append(f"The files of the linked File Output node {node.name!r} do not come back.")
                continue
            name = _plain(node.name)
            while name in self._nodes:
                name += "_"
            self._nodes[name] = _FileOutput(node)

    def redirect(self, folder: Path) -> None:
        """Let the nodes write below `folder` from now on."""
        for name, node in self._nodes.items():
            node.redirect(folder / "nodes" / name)

    def collect(self, folder: Path) -> list[str]:
        """Return the names of all files of a frame, the nodes' moved up to it as `NODE_FILE`."""
        nodes = folder / "nodes"
        for path in sorted(nodes.rglob("*")):
            if path.is_file():
                path.rename(_free(folder / _plain("_".join(path.relative_to(nodes).parts))))
        return sorted(path.name for path in folder.iterdir() if path.is_file())


class _FileOutput:
    """One node. The number sign in a name stands for digits of the frame number."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._is_5 = hasattr(node, "file_output_items")
        multilayer = node.format.file_format == "OPEN_EXR_MULTILAYER"
        if self._is_5:
            # A still gets no frame number of its own accord here, and without one each frame would replace the last.
            name = _flat(node.file_name)
            self._file_name = name if "#" in name else f"{name}####" if multilayer else f"{name}####_"
        else:
            # 4.x: with multilayer, the last part of the folder is the file's name; else each slot has one.
            self._file_name = _flat(re.split(r"[/\\]", node.base_path)[-1]) if multilayer else ""
            for slot in node.file_slots:
                slot.path = _flat(slot.path)

    def redirect(self, folder: Path) -> None:
        if self._is_5:
            self._node.directory = str(folder)
            self._node.file_name = self._file_name
        else:
            self._node.base_path = str(folder / self._file_name)


def _file_outputs(tree: Any, seen: set[str]) -> Iterator[Any]:
    """Yield the nodes, also those inside groups, each group once."""
    if tree is None or tree.name_full in seen:
        return
    seen.add(tree.name_full)
    for node in tree.nodes:
        if node.type == "OUTPUT_FILE" and not node.mute:
            yield node
        elif node.type == "GROUP":
            yield from _file_outputs(node.node_tree, seen)


def _free(path: Path) -> Path:
    """Return the path, or one like it that is not taken: names that differed may have become the same."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return free


def _flat(name: str) -> str:
    """Return the name without folders, which could lead out of ours."""
    return re.sub(r"[/\\]+", "_", name)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+|\.\.+", "_", name).lstrip(".")[-_LONGEST_NAME:]
