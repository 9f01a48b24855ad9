# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests do in a real Blender: in_blender.py install ZIP REPORT, or in_blender.py restart REPORT.

The report is JSON: snapshots (see snapshot.py), and what the extension can do with the packages it brought.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
from snapshot import Noted, snapshot

MODULE = "bl_ext.user_default.cloudrender"
DATA = Path(__file__).parents[1] / "data"


def install(archive: str) -> dict[str, Any]:
    """Install the extension, which enables it; disable it, enable it again, use it."""
    noted = Noted()
    report: dict[str, Any] = {"before": snapshot(noted)}
    done = bpy.ops.extensions.package_install_files(repo="user_default", filepath=archive, enable_on_install=True)
    report["done"] = sorted(done)
    report |= {"enabled": snapshot(noted), "imported": _slow_imports()}
    bpy.ops.preferences.addon_disable(module=MODULE)
    report["disabled"] = snapshot(noted)
    bpy.ops.preferences.addon_enable(module=MODULE)
    return report | {"enabled again": snapshot(noted), "use": _use()}


def restart() -> dict[str, Any]:
    """Enable the extension as Blender does at its start, use it, disable it."""
    import addon_utils  # found once bpy is there

    noted = Noted()
    report: dict[str, Any] = {"before": snapshot(noted)}
    addon_utils.enable(MODULE, default_set=True)
    report |= {"enabled": snapshot(noted), "imported": _slow_imports(), "use": _use()}
    bpy.ops.preferences.addon_disable(module=MODULE)
    return report | {"disabled": snapshot(noted)}


def _slow_imports() -> list[str]:
    return sorted({"boto3", "paramiko"} & set(sys.modules))


def _use() -> dict[str, Any]:
    """Ask AWS, read a scene, make a key, as jobs do."""

    def backend(name: str) -> Any:
        return importlib.import_module(f"{MODULE}.backend.{name}")

    account = backend("aws.session").Account(profile=None, region="us-east-1")
    with tempfile.TemporaryDirectory() as folder:
        key = backend("ssh.keys").create_key(Path(folder) / "key", comment="test").public
    used = {
        "regions": len(account.ec2.describe_regions()["Regions"]),
        "scene": backend("scene").read_scene(DATA / "scene-4.2.blend").frame_start,
        "key": key,
        "problem": str(importlib.import_module(f"{MODULE}.ui.dependencies").check_dependencies()),
        "package": importlib.import_module(MODULE).__file__,
    }
    backend("ssh.connection")
    names = ("boto3", "botocore", "paramiko", "cryptography", "_cffi_backend", "nacl", "bcrypt", "filelock", "urllib3")
    used["files"] = {name: importlib.import_module(name).__file__ for name in names}
    used["urllib3"] = importlib.import_module("urllib3").__version__
    used["path"] = sys.path
    return used


if __name__ == "__main__":
    *arguments, destination = sys.argv[1:]
    result = install(*arguments[1:]) if arguments[0] == "install" else restart()
    Path(destination).write_text(json.dumps(result), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # some versions of the module crash while the interpreter winds down
