# SPDX-License-Identifier: GPL-3.0-or-later
"""Which datablocks are only for the viewport or for painting: nothing that a render would miss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_NEVER_RENDERED = {"BRUSH", "PALETTE", "PAINTCURVE", "SCREEN", "WINDOWMANAGER", "WORKSPACE", "LIBRARY", "CAMERA"}
"""What uses an image without rendering it: cameras as their background."""


class Usage:
    """Who uses what in the open file, linked datablocks included."""

    def __init__(self, data: Any) -> None:
        self._users: dict[Any, set[Any]] = data.user_map()

    def users(self, block: Any) -> set[Any]:
        return self._users.get(block, set())

    def blocks(self) -> Iterable[Any]:
        """Return all datablocks."""
        return self._users.keys()

    def links(self) -> set[tuple[Any, Any]]:
        """Return which file links which library: pairs of a library (None: the open file) and another library."""
        pairs: set[tuple[Any, Any]] = set()
        for block, users in self._users.items():
            if block.library is not None:
                pairs.update((user.library, block.library) for user in users if user.id_type != "LIBRARY")
        return {(user, library) for user, library in pairs if user != library}

    def is_rendered(self, block: Any) -> bool:
        """Tell whether an image, clip or texture may be in the picture. In doubt it is."""
        return any(self._renders(user, block) for user in self.users(block))

    def _renders(self, user: Any, block: Any) -> bool:
        if user.id_type in _NEVER_RENDERED:
            return False
        if user.id_type == "TEXTURE":
            return self.is_rendered(user)
        if user.id_type == "OBJECT":
            return not (user.type == "EMPTY" and user.data == block)
        if user.id_type == "SCENE":
            return not _is_only_painted_with(user, block)
        return True


def _is_only_painted_with(scene: Any, block: Any) -> bool:
    """Tell whether a scene uses an image as a canvas or stencil, and its compositor does not."""
    paint = scene.tool_settings.image_paint
    if block not in (paint.canvas, paint.clone_image, paint.stencil_image):
        return False
    tree = getattr(scene, "node_tree", None)
    return tree is None or all(getattr(node, "image", None) != block for node in tree.nodes)
