# SPDX-License-Identifier: GPL-3.0-or-later
"""Install Cloudrender, then others, and ask it each time: conflicts.py CLOUDRENDER OTHER… REPORT."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import bpy


def main(cloudrender: str, others: list[Path], destination: Path) -> None:
    install(cloudrender)
    report = {"alone": problem()}
    for other in others:
        install(str(other))
        report[other.stem] = problem()
        bpy.ops.preferences.addon_disable(module=f"bl_ext.user_default.{other.stem}")
        report[f"without {other.stem}"] = problem()
    destination.write_text(json.dumps(report))


def install(archive: str) -> None:
    bpy.ops.extensions.package_install_files(repo="user_default", filepath=archive, enable_on_install=True)


def problem() -> list[str] | None:
    dependencies = importlib.import_module("bl_ext.user_default.cloudrender.ui.dependencies")
    found = dependencies.check_dependencies()
    return [found.message, found.hint] if found else None


if __name__ == "__main__":
    main(sys.argv[1], [Path(other) for other in sys.argv[2:-1]], Path(sys.argv[-1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # some versions of the module crash while the interpreter winds down
