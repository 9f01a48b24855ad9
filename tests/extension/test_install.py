# SPDX-License-Identifier: GPL-3.0-or-later
"""Each Blender installs the zip, enables and disables the extension, and nothing of it is left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.extension.blender_host import Blender

pytestmark = pytest.mark.blender


def test_installed_used_and_gone_in_this_session_and_the_next(host: Blender, archives: dict[str, Path]) -> None:
    installed = host.run("in_blender.py", "install", archives["linux-x64"])
    assert installed["done"] == ["FINISHED"]
    assert changes(installed["before"], installed["enabled"])
    assert installed["imported"] == [], "slow to import: they are for jobs"
    assert changes(installed["before"], installed["disabled"]) == []
    assert changes(installed["enabled"], installed["enabled again"]) == []
    check_use(host, installed["use"])

    restarted = host.run("in_blender.py", "restart")
    assert restarted["imported"] == []
    check_use(host, restarted["use"])
    assert changes(restarted["before"], restarted["disabled"]) == []
    assert not [*(host.extensions / ".local").rglob("*.py")], "the packages go with the extension"

    # The two ways the packages get on the path: last, by the session that installs; before Blender's own afterwards.
    assert not wheels_come_first(host, installed)
    assert wheels_come_first(host, restarted)


def changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    gone = [f"gone from {kind}: {each}" for kind in before for each in (Counter(before[kind]) - Counter(after[kind]))]
    return gone + [
        f"new in {kind}: {each}" for kind in after for each in (Counter(after[kind]) - Counter(before[kind]))
    ]


def check_use(host: Blender, use: dict[str, Any]) -> None:
    assert use["regions"] > 10
    assert use["scene"] == 3
    assert use["key"].startswith("ssh-ed25519 ")
    assert use["problem"] == "None"
    assert Path(use["package"]).parent == host.extensions / "user_default" / "cloudrender"
    if host.version.startswith("4."):
        assert use["urllib3"] == "1.26.8", "the one that Blender ships"
    wheels = host.extensions / ".local"
    assert {name for name, file in use["files"].items() if not Path(file).is_relative_to(wheels)} == {"urllib3"}


def wheels_come_first(host: Blender, report: dict[str, Any]) -> bool:
    path: list[str] = report["use"]["path"]
    [wheels] = [folder for folder in path if Path(folder).is_relative_to(host.extensions / ".local")]
    own = next(folder for folder in path if folder.endswith(f"bpy-{host.version}/lib/python3.11/site-packages"))
    return path.index(wheels) < path.index(own)
