# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: how far two pictures of the same frame differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np  # type: ignore[import-not-found]  # Blender brings it

_STEP = 1 / 255
"""One step of a screen. The same Blender renders the same frame with the same seed to the same bits (measured); what
parallel sums might once round another way stays far below it, and what anybody can see does not."""

_DIM = 0.25


def compare(one: Path, other: Path, *, difference: Path) -> float | None:
    """Return the share of pixels that differ by more than a step of a screen; None if the sizes differ.

    Unless there are none, `difference` becomes a picture of `one`, dimmed, with these pixels in red.
    """
    first, second = _pixels(one), _pixels(other)
    if first.shape != second.shape:
        return None
    differs = np.abs(first - second).max(axis=2) > _STEP
    share = float(differs.mean())
    if share:
        gray = first[..., :3].mean(axis=2) * _DIM
        picture = np.stack([np.where(differs, 1, gray), *[np.where(differs, 0, gray)] * 2, np.ones_like(gray)], axis=2)
        _save(picture, difference)
    return share


def _pixels(path: Path) -> Any:
    """Return the values as they are in the file: height × width × RGBA, from 0 to 1."""
    image: Any = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"  # nothing is multiplied
    width, height = image.size
    values = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)


def _save(values: Any, path: Path) -> None:
    height, width, _ = values.shape
    image: Any = bpy.data.images.new("difference", width, height)
    image.pixels.foreach_set(values.astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
