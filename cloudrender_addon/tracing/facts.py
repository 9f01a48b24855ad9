# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may be different on another computer: scripts, add-ons, and images that were never saved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .blend_copy import opened
from .blend_format import NotABlend
from .nodes import all_trees
from .request import Answer
from .simulations import sentences, unbaked
from .tracer import Tracer
from .unknown_names import undefined_nodes, unknown_engine
from .usage import Usage

_OWN_ENGINES = ("BLENDER_", "CYCLES")
"""Blender's own, which it may have had, or will have, under another name."""


def tell(tracer: Tracer, data: Any, answer: Answer, *, scratch: Path) -> None:
    """Put all that is to be said into the answer. Raises `OSError`."""
    usage = Usage(data)
    answer.scripts += scripts(data, usage.blocks())
    answer.undefined_nodes += undefined_nodes(data, [tree for _, _, tree in all_trees(data)])
    answer.warnings += [*warnings(data, usage), *sentences([*unbaked(data), *_not_on_disk(tracer, scratch)])]


def scripts(data: Any, blocks: Iterable[Any]) -> list[str]:
    """Return the texts that run when the file is opened, and one entry if there are drivers that need Python."""
    found = [text.name for text in data.texts if text.use_module]
    count = sum(_python_drivers(block) for block in blocks)
    if count:
        found.append(f"{count:,} driver{'s' if count > 1 else ''} with Python in the expression")
    return found


def warnings(data: Any, usage: Usage) -> Iterator[str]:
    """Yield one sentence for each."""
    for scene in [one for one in data.scenes if one.library is not None]:
        engine = unknown_engine(data, scene)
        if engine and not engine.startswith(_OWN_ENGINES):
            yield f"Scene {scene.name} needs the render engine {engine}, which is an add-on's."
    for image in data.images:
        stored = image.filepath or image.packed_file or len(image.packed_files)
        if image.source in ("FILE", "SEQUENCE", "TILED") and not stored and usage.is_rendered(image):
            yield f"Image {image.name} has no file: what is in it was never saved."


def _python_drivers(block: Any) -> int:
    holders = [block, getattr(block, "node_tree", None)]
    animations = [getattr(holder, "animation_data", None) for holder in holders if holder is not None]
    return sum(
        curve.driver.type == "SCRIPTED" and not curve.driver.is_simple_expression
        for animation in animations
        if animation is not None
        for curve in animation.drivers
    )


def _not_on_disk(tracer: Tracer, scratch: Path) -> Iterator[str]:
    """Yield the simulations whose results are neither on the disk nor in the .blend."""
    packed: dict[str, set[tuple[str, int]]] = {}
    for blend, reference in tracer.simulations:
        if reference.bake is not None and blend.path not in packed:
            packed[blend.path] = set()
            with contextlib.suppress(NotABlend), opened(Path(blend.path), scratch=scratch) as copy:
                packed[blend.path] = copy.packed_bakes()
        if reference.bake is None or (reference.block.name, reference.bake) not in packed[blend.path]:
            yield reference.simulation
