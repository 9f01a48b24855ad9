# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender with a window for each test, and the extension as it is shipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gui.blender_window import BlenderWindow
from tests.gui.display import Display
from tests.gui.driver import Driver


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    """Give all tests one screen."""
    with Display(tmp_path_factory.mktemp("display")) as screen:
        yield screen


@pytest.fixture
def driver(display: Display, tmp_path: Path) -> Iterator[Driver]:
    """Give the test a Blender in clean user folders, not started yet."""
    blender = BlenderWindow(display, folder=tmp_path / "user", variables={})
    yield Driver(display, blender)
    blender.close()
