# SPDX-License-Identifier: GPL-3.0-or-later
"""Another extension brings packages that jobs cannot work with: the user is told which, instead of a job failing."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.extension.blender_tool import run_tool
from tests.extension.blender_host import Blender, packages

pytestmark = pytest.mark.blender

MANIFEST = """
schema_version = "1.0.0"
id = "{id}"
version = "1.0.0"
name = "Another"
tagline = "An extension with packages of its own"
maintainer = "Somebody"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
"""

PUTS_ITS_OWN_FIRST = """
import sys
from pathlib import Path

def register():
    sys.path.insert(0, str(Path(__file__).parent / "vendored"))

def unregister():
    sys.path.pop(0)
"""


def test_the_user_is_told_who_brings_what(
    open_blender: Callable[[str], Blender], archives: dict[str, Path], tmp_path: Path
) -> None:
    too_new = extension(tmp_path / "too_new", code="def register(): pass\ndef unregister(): pass\n", wheels=True)
    old = extension(tmp_path / "old", code=PUTS_ITS_OWN_FIRST, vendored=packages("old-boto3.lock"))

    report = open_blender("4.2.23").run("conflicts.py", archives["linux-x64"], too_new, old)

    assert report["alone"] is None
    # Of a package in wheels Blender keeps the newest that any extension has.
    message, hint = report["too_new"]
    assert message.startswith("boto3 1.")
    assert message.endswith(", but 99.0.0 is installed")
    assert "needs botocore older than 1." in message
    assert hint == "Update or disable the extension too_new, then restart Blender"
    assert report["without too_new"] is None
    message, hint = report["old"]
    assert message == "Cloudrender needs boto3 1.40 or newer, but 1.34.0 is installed"
    assert hint.startswith("Update or disable the add-on that brings it in ")
    assert hint.endswith("/user_default/old/vendored, then restart Blender")
    assert report["without old"] is None


def extension(folder: Path, *, code: str, wheels: bool = False, vendored: Path | None = None) -> Path:
    """Build an extension named as its folder: with a wheel of botocore 99.0.0, or with a copy of a package's folder."""
    folder.mkdir()
    manifest = MANIFEST.format(id=folder.name)
    (folder / "__init__.py").write_text(code)
    if wheels:
        (folder / "wheels").mkdir()
        wheel = folder / "wheels" / "botocore-99.0.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as zipped:
            info = "botocore-99.0.0.dist-info"
            zipped.writestr("botocore/__init__.py", '__version__ = "99.0.0"\n')
            zipped.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: botocore\nVersion: 99.0.0\n")
            zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            zipped.writestr(f"{info}/RECORD", f"botocore/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
        manifest += f'wheels = ["./wheels/{wheel.name}"]\n'
    if vendored:
        shutil.copytree(vendored, folder / "vendored", ignore=shutil.ignore_patterns(".*"))
    (folder / "blender_manifest.toml").write_text(manifest)
    archive = folder.with_suffix(".zip")
    run_tool("build", "--source-dir", str(folder), "--output-filepath", str(archive))
    return archive
