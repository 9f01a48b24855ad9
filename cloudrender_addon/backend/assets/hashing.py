# SPDX-License-Identifier: GPL-3.0-or-later
"""Hash the files of a bundle, on threads of their own, while there is something else to wait for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ..errors import CloudrenderError, ProjectError
from .bundle import Bundle, BundleFile
from .concerns import shown
from .hash_cache import HashCache
from .manifest import HashedFile, Manifest

_PIECE_BYTES = 1 << 20
_THREADS = 2
_POLL_SECONDS = 0.1
_HINT = "Leave the project's files alone until they are sent, then try again."


class Hashing:
    """Hashes a bundle from now on, on a thread of its own."""

    def __init__(self, bundle: Bundle, *, cache: HashCache) -> None:
        self._bundle = bundle
        self._cache = cache
        self._stopped = threading.Event()
        self._done = threading.Event()
        self._manifest: Manifest | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="cloudrender-hashing", daemon=True).start()

    def manifest(self, *, wait: Callable[[], None] = lambda: None) -> Manifest:
        """Return the manifest as soon as it is known; `wait` is called ten times a second until then and may raise.

        Raises `ProjectError` when a file cannot be read, or is not as long as the bundle says.
        """
        while not self._done.wait(_POLL_SECONDS):
            wait()
        if self._manifest is None:
            raise self._error or ProjectError("The project was not read to its end", hint=_HINT)
        return self._manifest

    def stop(self) -> None:
        """End it soon; nobody waits for the manifest any more."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            self._manifest = hash_bundle(self._bundle, cache=self._cache, check=self._check)
        except CloudrenderError as error:
            self._error = error
        except Exception as bug:  # noqa: BLE001 - raised where it is waited for
            self._error = bug
        finally:
            self._done.set()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise ProjectError("The project is not needed any more")


def hash_bundle(bundle: Bundle, *, cache: HashCache, check: Callable[[], None] = lambda: None) -> Manifest:
    """Return the bundle with the hash of every file. Raises as `hashed_files` does."""
    return Manifest(files=tuple(hashed_files(bundle, cache=cache, check=check)))


def hashed_files(bundle: Bundle, *, cache: HashCache, check: Callable[[], None] = lambda: None) -> Iterator[HashedFile]:
    """Yield every file in its turn, as soon as its hash is known; others are hashed meanwhile.

    `check` is called between pieces, on any thread, and may raise. A file that several names lead to is read once.
    Raises `ProjectError` as `Hashing.manifest` does.
    """
    found = {file.source: _status(file) for file in bundle.files}
    known = cache.known(found.items())
    unknown = {file.source: file for file in bundle.files if file.source not in known}
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="cloudrender-hash")
    try:
        # Two: one reads while the other hashes, and both hash when the files are in memory.
        new = {source: pool.submit(file_hash, file, found[source], check=check) for source, file in unknown.items()}
        for file in bundle.files:
            status = found[file.source]
            yield HashedFile(
                source=file.source,
                name=file.name,
                size=file.size,
                sha256=known.get(file.source) or new[file.source].result(),
                executable=bool(status.st_mode & stat.S_IXUSR),
                mtime_ns=status.st_mtime_ns,
            )
        cache.note((source, found[source], future.result()) for source, future in new.items())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def changed(name: str) -> ProjectError:
    """Return the error for a file that is not any more what it was when the job began."""
    return ProjectError(f"{shown(name)} changed while the project was sent", hint=_HINT)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Call by its name what goes wrong with a file of this computer."""
    try:
        yield
    except OSError as error:
        raise ProjectError(f"{shown(name)} cannot be read: {error.strerror}", hint=_HINT) from error


def file_hash(file: BundleFile, before: os.stat_result, *, check: Callable[[], None] = lambda: None) -> str:
    """Return the SHA-256 of a file that is as `before` when it has been read. Raises `ProjectError`."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(_PIECE_BYTES, max(file.size, 1))))
    with reading(file.name), open(file.source, "rb", buffering=0) as source:  # noqa: PTH123 - half the time of Path's
        while count := source.readinto(buffer):
            digest.update(buffer[:count])
            check()
        after = os.fstat(source.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise changed(file.name)
    return digest.hexdigest()


def _status(file: BundleFile) -> os.stat_result:
    with reading(file.name):
        status = file.source.stat()
    same = status.st_size == file.size and file.mtime_ns in (None, status.st_mtime_ns)
    if not (same and stat.S_ISREG(status.st_mode)):
        raise changed(file.name)
    return status
