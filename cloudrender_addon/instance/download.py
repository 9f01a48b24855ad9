# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from a mirror of Blender's releases: listings, checksums, and archives that are unpacked as they arrive."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from .failure import Failure

T = TypeVar("T")

_ATTEMPTS = 5
_SILENCE_SECONDS = 30.0
_DEADLINE_SECONDS = 1800.0  # for one archive, however slowly it drips
_UNPACK_SECONDS = 300.0  # for what is left to write when the last byte has come
_CHUNK_BYTES = 1 << 18
_LISTING_BYTES = 4 << 20


class Mirror:
    """A release tree at `url`. Every method tries again after a broken connection and raises `Failure` in the end."""

    def __init__(self, url: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        self.url = url.rstrip("/")
        self._pause = pause

    def index(self, folder: str, name: str = "") -> str:
        """Return a small text: the listing of `folder`, or the file `name` in it."""

        def read() -> str:
            with self._open(f"{folder}/{name}") as response:
                return response.read(_LISTING_BYTES).decode("utf-8", errors="replace")

        return self._persist(read, f"{folder}/{name}")

    def unpack(self, path: str, *, sha256: str, into: Path) -> None:
        """Unpack the archive at `path` into the new folder `into`, which is whole and genuine on return only.

        It is unpacked while it arrives: that is faster than storing it first and needs no space for it. Nothing
        in it is run before the checksum has been compared.
        """

        def fetch() -> None:
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir()
            with self._open(path) as response:
                digest = _unpack_stream(response, into)
            if digest != sha256:
                raise _Damaged(f"the checksum of {path.rpartition('/')[2]} is wrong")

        self._persist(fetch, path)

    def _open(self, path: str) -> http.client.HTTPResponse:
        request = urllib.request.Request(f"{self.url}/{path}", headers={"User-Agent": "cloudrender"})  # noqa: S310
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_SILENCE_SECONDS)  # noqa: S310 - the user's own setting
        return response

    def _persist(self, call: Callable[[], T], path: str) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return call()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 404:
                    raise self._missing(path) from error
                trouble: Exception = error
            except (OSError, http.client.HTTPException, _Damaged) as error:
                trouble = error
            print(f"{self.url}/{path}: attempt {attempt}: {trouble}", flush=True)  # noqa: T201 - stdout is agent.log
            if attempt < _ATTEMPTS:
                self._pause(2.0**attempt)
        raise Failure(
            kind="blender",
            message=f"Blender cannot be downloaded from {self.url}: {trouble}",
            hint="Try again later, or set another mirror.",
        ) from trouble

    def _missing(self, path: str) -> Failure:
        return Failure(
            kind="blender",
            message=f"The mirror {self.url} has no {path}",
            hint="Save the file with a released Blender, ask for another version, or check the mirror's address.",
        )


class _Damaged(Exception):
    """What arrived is not what was announced."""


def _unpack_stream(response: http.client.HTTPResponse, into: Path) -> str:
    """Feed the archive to an unpacker of its own, as xz may take 64 MB, and return the SHA-256 of what came."""
    digest = hashlib.sha256()
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with tempfile.TemporaryFile() as complaints:
        unpacker = subprocess.Popen(
            _unpacker(into), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints
        )
        pipe = unpacker.stdin
        assert pipe is not None  # noqa: S101 - for the type checker
        broken = False
        try:
            while chunk := response.read(_CHUNK_BYTES):
                digest.update(chunk)
                if time.monotonic() > deadline:
                    raise TimeoutError("the download takes too long")
                try:
                    if not broken:
                        pipe.write(chunk)
                except BrokenPipeError:
                    broken = True  # read on: the checksum tells whether the archive or the disk is to blame
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            try:
                pipe.close()
            except BrokenPipeError:
                broken = True
            failed = unpacker.wait(_UNPACK_SECONDS) != 0 or broken
        finally:
            unpacker.kill()
            unpacker.wait()
        if failed:
            _explain(complaints)
    return digest.hexdigest()


def _unpacker(into: Path) -> list[str]:
    if shutil.which("tar") and shutil.which("xz"):
        return ["tar", "-xJf", "-", "-C", str(into)]
    code = (
        "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|xz').extractall(sys.argv[1],"
        " **({'filter': 'data'} if hasattr(tarfile, 'data_filter') else {}))"
    )
    return [sys.executable, "-c", code, str(into)]


def _explain(complaints: IO[bytes]) -> None:
    complaints.seek(0)
    text = complaints.read(4096).decode("utf-8", errors="replace")
    if "No space left" in text or "Disk quota" in text:
        raise Failure(
            kind="blender",
            message="The disk of the rented machine is too small for Blender",
            hint="Ask for a larger disk.",
            log=text.splitlines(),
        )
    raise _Damaged(f"the archive cannot be unpacked: {text.strip().splitlines()[-1:]}")
