# SPDX-License-Identifier: GPL-3.0-or-later
"""The hashes of files that were hashed before, on this computer's disk: a file that is as it was need not be read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_MOST_ROWS = 500_000
"""About 100 MB."""

_FRESH_NS = 2_000_000_000
"""A file that was changed so shortly before it was looked at may change again within the same tick of its clock: some
file systems count in two seconds."""

_LOCK_SECONDS = 5.0

_TABLE = (
    "CREATE TABLE IF NOT EXISTS hashes (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode TEXT,"
    " sha256 TEXT, used REAL) WITHOUT ROWID"
)


class HashCache:
    """Remembers hashes by path, size, time and inode. It never fails: what it cannot do is done without it.

    Paths are bytes in it: not every one is text.
    Several clients may use one file at the same time. A damaged one is begun anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, files: Iterable[tuple[Path, os.stat_result]]) -> dict[Path, str]:
        """Return what is known of files that are as they were when it was noted."""
        found: dict[Path, str] = {}
        with self._open() as database:
            for path, status in files:
                key = (os.fsencode(path), status.st_size, status.st_mtime_ns, str(status.st_ino))
                row = database.execute(
                    "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ? AND inode = ?", key
                ).fetchone()
                if row and len(row[0]) == 64:
                    found[path] = row[0]
        return found

    def note(self, hashes: Iterable[tuple[Path, os.stat_result, str]], *, now_ns: int | None = None) -> None:
        """Remember hashes of files that were so before and after they were read; not of those just changed."""
        now = time.time_ns() if now_ns is None else now_ns
        rows = [
            (os.fsencode(path), status.st_size, status.st_mtime_ns, str(status.st_ino), sha256, now / 1e9)
            for path, status, sha256 in hashes
            if now - status.st_mtime_ns > _FRESH_NS
        ]
        with self._open() as database, database:
            database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?)", rows)
            (count,) = database.execute("SELECT COUNT(*) FROM hashes").fetchone()
            if count > _MOST_ROWS:
                database.execute(
                    "DELETE FROM hashes WHERE path IN (SELECT path FROM hashes ORDER BY used LIMIT ?)",
                    (count - _MOST_ROWS * 3 // 4,),
                )

    def forget(self, path: Path) -> None:
        """Remember nothing of a file."""
        with self._open() as database, database:
            database.execute("DELETE FROM hashes WHERE path = ?", (os.fsencode(path),))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give the database; the body is left at its first failure, as if it had ended."""
        database = self._connect()
        try:
            yield database
        except sqlite3.OperationalError:
            pass  # a lock that was held too long, a full disk
        except sqlite3.DatabaseError:
            database.close()
            self._discard()
        finally:
            database.close()

    def _connect(self) -> sqlite3.Connection:
        """Return the database, or one that remembers nothing."""
        for _ in range(2):
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                database = sqlite3.connect(self._path, timeout=_LOCK_SECONDS)
                database.execute(_TABLE)
            except (OSError, sqlite3.OperationalError):
                break
            except sqlite3.DatabaseError:
                database.close()
                self._discard()
            else:
                return database
        database = sqlite3.connect(":memory:")
        database.execute(_TABLE)
        return database

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()
