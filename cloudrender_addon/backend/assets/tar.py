# SPDX-License-Identifier: GPL-3.0-or-later
"""A project as one tar stream, in constant memory.

The stream is framed here, around `tarfile`'s headers: files are read into the buffer they leave in, which takes half
the time for many small ones, and a fault of a file is told from one of the connection. The format is GNU's: its names
are the bytes they are, while those of pax are converted to whatever language the unpacking machine is set to.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping

from ..errors import ProjectError
from .bundle import Bundle, BundleFile
from .concerns import shown

_BUFFER_BYTES = 8 * 32_704
"""A whole number of SSH packets."""

_HINT = "Leave the project's files alone until they are sent, then try again."

_END = bytes(2 * tarfile.BLOCKSIZE)


def write_tar(
    bundle: Bundle,
    write: Callable[[memoryview], None],
    *,
    on_sent: Callable[[int], None],
    check: Callable[[], None],
) -> None:
    """Pass the bundle as a tar stream to `write`, piece by piece; a piece is valid during the call only.

    After each piece `on_sent` gets the bytes of file content so far (`bundle.total_bytes` at the end) and `check` may
    raise. Owners are left out; executables are 755, everything else 644. Raises `ProjectError` when a file is not
    any more what the bundle says, or changes meanwhile: the stream then has no end, and must be thrown away.
    """
    stream = _Stream(write, on_sent=on_sent, check=check)
    for file in bundle.files:
        _add(stream, file)
    stream.add(_END)
    stream.flush()


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """Return small files, name → content, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class _Stream:
    """One buffer, written out whenever it is full."""

    def __init__(
        self, write: Callable[[memoryview], None], *, on_sent: Callable[[int], None], check: Callable[[], None]
    ) -> None:
        self._write = write
        self._on_sent = on_sent
        self._check = check
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._filled = 0
        self._content = 0

    def add(self, data: bytes) -> None:
        """Append headers and padding."""
        while data:
            room = self.room()
            part = data[: len(room)]
            room[: len(part)] = part
            self._filled += len(part)
            data = data[len(part) :]

    def room(self) -> memoryview:
        """Return where content may be put, at least a byte; `took` says how much was."""
        if self._filled == _BUFFER_BYTES:
            self.flush()
        return self._buffer[self._filled :]

    def took(self, size: int) -> None:
        self._filled += size
        self._content += size

    def flush(self) -> None:
        self._check()
        self._write(self._buffer[: self._filled])
        self._filled = 0
        self._on_sent(self._content)


def _add(stream: _Stream, file: BundleFile) -> None:
    with _reading(file):
        source = io.FileIO(file.source)
    with source:
        with _reading(file):
            before = os.fstat(source.fileno())
        if before.st_size != file.size or not stat.S_ISREG(before.st_mode):
            raise _changed(file)
        stream.add(_header(file, before))
        left = file.size
        while left:
            room = stream.room()
            with _reading(file):
                read = source.readinto(room[:left]) or 0
            if not read:
                raise _changed(file)
            stream.took(read)
            left -= read
        with _reading(file):
            after = os.fstat(source.fileno())
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise _changed(file)
    stream.add(bytes(-file.size % tarfile.BLOCKSIZE))


@contextlib.contextmanager
def _reading(file: BundleFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProjectError(f"{shown(file.name)} cannot be read: {error.strerror}", hint=_HINT) from error


def _header(file: BundleFile, status: os.stat_result) -> bytes:
    info = tarfile.TarInfo(file.name)
    info.size = file.size
    info.mtime = int(status.st_mtime)
    info.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def _changed(file: BundleFile) -> ProjectError:
    return ProjectError(f"{shown(file.name)} changed while the project was sent", hint=_HINT)
