# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's release site, with real archives whose `blender` is the bpy wheel of the same version.

Laid out as https://download.blender.org/release/: a folder per series, an nginx index, archives, checksums.
Versions are those that scripts/get-blender.sh has made ready; the index names others too, as the real one does.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import tarfile
import threading
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path

_LAUNCHER = Path(__file__).resolve().parent / "blender_launcher.py"
_PLATFORMS = ("linux-x64.tar.xz", "macos-arm64.dmg", "windows-x64.zip")

# Named in the index without being there. By letter, 4.2.9 would come after 4.2.23.
_NAMED_ONLY = {"4.2": ("4.2.9",)}

# The Blender with a window (scripts/get-blender-gui.sh) asks for its own version, of which there is no wheel. A wheel
# of the same series stands for it: its files are the same, and it says it is the version that was asked for.
_STAND_FOR = {"4.3.2": "4.3.0"}

Response = tuple[int, str, bytes]


def installed_blenders(environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Return the Blenders that are ready: version → folder of the wheel's virtual environment."""
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev"
    ready = {marker.parent.name.removeprefix("bpy-"): marker.parent for marker in sorted(cache.glob("bpy-*/.complete"))}
    return ready | {version: ready[wheel] for version, wheel in _STAND_FOR.items() if wheel in ready}


def launcher_script(version: str, environment: Path) -> str:
    """Return the shell script that is `blender`: the wheel's Python, told to behave like Blender."""
    python = shlex.quote(str(environment / "bin" / "python"))
    return f'#!/bin/sh\nexec {python} -I {shlex.quote(str(_LAUNCHER))} {version} "$0" "$@"\n'


def launcher_scripts(blenders: Mapping[str, Path]) -> dict[str, str]:
    """Return what a `Mirror` offers of these Blenders: version → its `blender` script."""
    return {version: launcher_script(version, environment) for version, environment in blenders.items()}


class Mirror:
    """Answers with what is at a path of the release site. Archives are made when first asked for.

    `blenders` are those there are: version → the text of the script that is `blender` in its archive.
    """

    def __init__(self, blenders: Mapping[str, str]) -> None:
        self._blenders = dict(blenders)
        self._archives: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, path: str) -> Response:
        """Return status, content type and body."""
        folder, _, name = path.lstrip("/").partition("/")
        series = folder.removeprefix("Blender")
        versions = [version for version in self._blenders if version.rpartition(".")[0] == series]
        if not versions or not folder.startswith("Blender"):
            return HTTPStatus.NOT_FOUND, "text/html", b"<html><h1>404 Not Found</h1></html>\n"
        if not name:
            return HTTPStatus.OK, "text/html", _index(folder, {*versions, f"{series}.0", *_NAMED_ONLY.get(series, ())})
        for version in versions:
            if name == f"blender-{version}-linux-x64.tar.xz":
                return HTTPStatus.OK, "application/octet-stream", self._archive(version)
            if name == f"blender-{version}.sha256":
                return HTTPStatus.OK, "text/plain", self._checksums(version)
        return HTTPStatus.NOT_FOUND, "text/html", b"<html><h1>404 Not Found</h1></html>\n"

    def _archive(self, version: str) -> bytes:
        with self._lock:
            if version not in self._archives:
                self._archives[version] = _pack(version, self._blenders[version])
            return self._archives[version]

    def _checksums(self, version: str) -> bytes:
        lines = []
        for platform in _PLATFORMS:
            data = self._archive(version) if platform.startswith("linux") else platform.encode()
            lines.append(f"{hashlib.sha256(data).hexdigest()}  blender-{version}-{platform}\n")
        return "".join(lines).encode()


def _index(folder: str, versions: Iterable[str]) -> bytes:
    names = [f"blender-{version}-{platform}" for version in versions for platform in _PLATFORMS]
    names += [f"blender-{version}.{kind}" for version in versions for kind in ("md5", "sha256")]
    title = f"Index of /release/{folder}/"
    lines = [f'<a href="{name}">{name}</a>{"16-Jul-2024 07:10":>40}{"371289636":>20}' for name in sorted(names)]
    page = [f"<html>\n<head><title>{title}</title></head>\n<body>", f'<h1>{title}</h1><hr><pre><a href="../">../</a>']
    return "\n".join([*page, *lines, "</pre><hr></body>\n</html>\n"]).encode()


def _pack(version: str, script: str) -> bytes:
    top = f"blender-{version}-linux-x64"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=0) as archive:
        for name, mode, text in (("blender", 0o755, script), ("readme.html", 0o644, "<html>Stand-in</html>\n")):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode = len(text.encode()), mode
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
