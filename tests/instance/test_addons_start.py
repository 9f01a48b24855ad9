# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine does with an add-on that never comes to an end of starting; tests/blender has the real ones."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cloudrender_addon.instance import addons


def test_one_that_hangs_is_given_up_and_the_next_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def enable(module: str, **_: Any) -> ModuleType:
        if module == "slow":
            time.sleep(100)
        started.append(module)
        return ModuleType(module)

    blenders: Any = ModuleType("addon_utils")
    blenders.check, blenders.enable = lambda module: (False, False), enable
    monkeypatch.setitem(sys.modules, "addon_utils", blenders)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(addons, "_START_SECONDS", 1)
    before = signal.getsignal(signal.SIGALRM)
    addons.main(("slow", "quick"), tmp_path, tmp_path)
    assert started == ["quick"]
    assert addons.addon_notes(tmp_path) == [
        "The add-on slow could not be started on the machine, so frames may look different: "
        "TimeoutError: it took more than 1 s."
    ]
    assert signal.getsignal(signal.SIGALRM) == before and signal.alarm(0) == 0


def test_without_addons_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert addons.addon_notes(tmp_path) == []
