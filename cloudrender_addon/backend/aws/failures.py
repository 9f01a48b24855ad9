# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in parts of a clean-up, of which every part is attempted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CleanupError, CloudrenderError


class Failures:
    """Collects the errors of the parts, to be raised as one when all were attempted."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}  # ordered, each once
        self._errors: list[CloudrenderError] = []

    @contextmanager
    def noted(self, *ids: str) -> Iterator[None]:
        """Note an error of the block as concerning these ids, and go on."""
        try:
            yield
        except CloudrenderError as error:
            self._errors.append(error)
            self._ids.update(dict.fromkeys(error.resources if isinstance(error, CleanupError) else ids))

    def report(self) -> None:
        """Raise `CleanupError` if anything was noted."""
        if not self._errors:
            return
        first = self._errors[0]
        if len(self._errors) == 1 and isinstance(first, CleanupError):
            raise first
        raise CleanupError(
            f"Not everything could be ended ({', '.join(self._ids)}): {first.message}",
            resources=tuple(self._ids),
            hint=f"{first.hint}; then run `cloudrender clean-up`" if first.hint else "Run `cloudrender clean-up`",
        ) from first
