# SPDX-License-Identifier: GPL-3.0-or-later
"""The project as it is sent: read when a machine is asked for, hashed while that boots, at hand when it answers."""

from __future__ import annotations

from collections.abc import Callable

from ..assets.bundle import Bundle, BundleFile
from ..assets.hash_cache import HashCache
from ..assets.hashing import Hashing, changed, file_hash, reading
from ..assets.manifest import HashedFile, Manifest


class Packing:
    """Packs what `bundle` finds, anew for each machine. Used by the job's thread alone."""

    def __init__(self, bundle: Callable[[], Bundle], *, cache: HashCache) -> None:
        self._bundle = bundle
        self._cache = cache
        self._hashing: Hashing | None = None

    def read(self) -> Bundle:
        """Return what will be sent, and begin to hash it. Raises `ProjectError`."""
        self.stop()
        bundle = self._bundle()
        self._hashing = Hashing(bundle, cache=self._cache)
        return bundle

    def manifest(self, wait: Callable[[], None]) -> Manifest:
        """Return the project with its hashes; `wait` is called while they are waited for. Raises `ProjectError`."""
        if self._hashing is None:
            self.read()
        assert self._hashing is not None  # noqa: S101 - for the type checker
        return self._hashing.manifest(wait=wait)

    def recheck(self, file: HashedFile) -> None:
        """Read a file that arrived damaged. Raises `ProjectError` if it is not what was hashed, though it looks so."""
        again = BundleFile(source=file.source, name=file.name, size=file.size)
        with reading(file.name):
            status = file.source.stat()
        if file_hash(again, status) != file.sha256:
            self._cache.forget(file.source)
            raise changed(file.name)

    def stop(self) -> None:
        """Hash no further."""
        if self._hashing is not None:
            self._hashing.stop()
        self._hashing = None
