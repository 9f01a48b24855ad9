# SPDX-License-Identifier: GPL-3.0-or-later
"""A project known by its hashes, and the cache that spares reading it again."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets import hash_cache, hashing
from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile
from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.assets.hashing import Hashing, hash_bundle
from cloudrender_addon.backend.assets.manifest import Manifest
from cloudrender_addon.backend.errors import ProjectError
from cloudrender_addon.backend.job.packing import Packing
from cloudrender_addon.instance.manifest import Entry, objects_of, parse_manifest


def make(root: Path, *, old: bool = True, **files: bytes) -> Bundle:
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        (root / name).write_bytes(content)
        if old:
            os.utime(root / name, (1_000_000_000, 1_000_000_000))
    return bundle(root, *files)


def bundle(root: Path, *names: str) -> Bundle:
    return Bundle(
        root=root,
        files=tuple(BundleFile(source=root / name, name=name, size=(root / name).stat().st_size) for name in names),
    )


@pytest.fixture
def cache(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "cache" / "hashes.sqlite")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which files are read."""
    noted: list[str] = []
    real = hashing.file_hash

    def read(file: BundleFile, *arguments: object, **more: object) -> str:
        noted.append(file.name)
        return real(file, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(hashing, "file_hash", read)
    return noted


def hashes(manifest: Manifest) -> dict[str, str]:
    return {file.name: file.sha256 for file in manifest.files}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_machine_reads_what_is_written_here(tmp_path: Path, cache: HashCache) -> None:
    made = make(tmp_path / "p", a=b"one", b=b"two", c=b"one")
    (tmp_path / "p" / "b").chmod(0o700)
    manifest = hash_bundle(made, cache=cache)
    assert parse_manifest(manifest.text) == (
        Entry("a", 3, sha256(b"one"), False),
        Entry("b", 3, sha256(b"two"), True),
        Entry("c", 3, sha256(b"one"), False),
    )
    assert objects_of(parse_manifest(manifest.text)) == tuple((file.sha256, file.size) for file in manifest.objects)
    assert [file.name for file in manifest.objects] == ["a", "b"]
    assert manifest.sha256 == sha256(manifest.text)


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": 2},
        {"files": [{}]},
        {"files": [{"name": "../a", "size": 1, "sha256": "0" * 64, "executable": False}]},
        {"files": [{"name": "a", "size": -1, "sha256": "0" * 64, "executable": False}]},
        {"files": [{"name": "a", "size": 1, "sha256": "../" + "0" * 61, "executable": False}]},
        {"files": [{"name": "a\0", "size": 1, "sha256": "0" * 64, "executable": False}]},
        {"files": [{"name": 5, "size": 1, "sha256": "0" * 64, "executable": False}]},
        {"files": 5},
    ],
)
def test_what_is_no_manifest_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, AttributeError)):
        parse_manifest(json.dumps({"manifest": 1, "files": [], **change}).encode())


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path, cache: HashCache, reads: list[str]) -> None:
    made = make(tmp_path / "p", a=b"one", b=b"two")
    first = hash_bundle(made, cache=cache)
    assert sorted(reads) == ["a", "b"]
    reads.clear()
    again = HashCache(tmp_path / "cache" / "hashes.sqlite")
    assert hash_bundle(made, cache=again) == first and not reads
    (tmp_path / "p" / "b").write_bytes(b"TWO")
    assert hashes(hash_bundle(made, cache=again)) == {"a": sha256(b"one"), "b": sha256(b"TWO")}
    assert reads == ["b"]


def test_a_file_of_the_same_name_size_and_time_is_another_one(
    tmp_path: Path, cache: HashCache, reads: list[str]
) -> None:
    hash_bundle(make(tmp_path / "p", a=b"one"), cache=cache)
    other = make(tmp_path / "q", a=b"ONE")
    (tmp_path / "q" / "a").replace(tmp_path / "p" / "a")
    assert other and hashes(hash_bundle(bundle(tmp_path / "p", "a"), cache=cache)) == {"a": sha256(b"ONE")}


def test_a_path_that_is_no_text_is_hashed_and_remembered(tmp_path: Path, cache: HashCache, reads: list[str]) -> None:
    name = os.fsdecode(b"na\xefve.png")
    made = make(tmp_path / name, a=b"one")
    for _ in range(2):
        assert hashes(hash_bundle(made, cache=cache)) == {"a": sha256(b"one")}
    assert reads == ["a"]
    cache.forget(made.files[0].source)
    hash_bundle(made, cache=cache)
    assert reads == ["a", "a"]


def test_a_file_that_was_just_changed_is_not_trusted(tmp_path: Path, cache: HashCache, reads: list[str]) -> None:
    """It may be changed again within the same tick of the file system's clock."""
    made = make(tmp_path / "p", old=False, a=b"one")
    hash_bundle(made, cache=cache)
    status = (tmp_path / "p" / "a").stat()
    (tmp_path / "p" / "a").write_bytes(b"ONE")
    os.utime(tmp_path / "p" / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert hashes(hash_bundle(made, cache=cache)) == {"a": sha256(b"ONE")}
    assert reads == ["a", "a"]


def test_a_file_from_the_future_is_not_trusted(tmp_path: Path, cache: HashCache, reads: list[str]) -> None:
    made = make(tmp_path / "p", a=b"one")
    os.utime(tmp_path / "p" / "a", (time.time() + 9999, time.time() + 9999))
    hash_bundle(made, cache=cache)
    hash_bundle(made, cache=cache)
    assert reads == ["a", "a"]


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 100, None])
def test_a_damaged_cache_is_begun_anew(tmp_path: Path, cache: HashCache, damage: bytes | None) -> None:
    made = make(tmp_path / "p", a=b"one")
    hash_bundle(made, cache=cache)
    path = tmp_path / "cache" / "hashes.sqlite"
    if damage is None:  # a good beginning, and a page that is none
        path.write_bytes(path.read_bytes()[:4096] + os.urandom(4096))
    else:
        path.write_bytes(damage)
    for _ in range(2):
        assert hashes(hash_bundle(made, cache=cache)) == {"a": sha256(b"one")}
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT COUNT(*) FROM hashes").fetchone() == (1,)
    database.close()


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = make(tmp_path / "p", a=b"one")
    assert hashes(hash_bundle(made, cache=HashCache(tmp_path / "file" / "hashes"))) == {"a": sha256(b"one")}
    (tmp_path / "folder").mkdir()
    assert hashes(hash_bundle(made, cache=HashCache(tmp_path / "folder"))) == {"a": sha256(b"one")}


def test_the_cache_forgets_what_was_used_longest_ago(
    tmp_path: Path, cache: HashCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_cache, "_MOST_ROWS", 8)
    files = make(tmp_path / "p", **{f"f{n}": b"%d" % n for n in range(10)})
    found = [(file.source, file.source.stat()) for file in files.files]
    for age, (path, status) in enumerate(found):
        cache.note([(path, status, "0" * 64)], now_ns=time.time_ns() + age * 10**9)
    known = cache.known(found)
    assert found[0][0] not in known and found[9][0] in known and len(known) <= 8


def test_several_clients_use_one_cache(tmp_path: Path, cache: HashCache) -> None:
    made = make(tmp_path / "p", **{f"f{n}": b"%d" % n for n in range(50)})
    results: list[Manifest] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(hash_bundle(made, cache=HashCache(tmp_path / "cache" / "hashes.sqlite")))
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6 and len(set(map(str, results))) == 1


@pytest.mark.parametrize("change", ["shrinks", "grows", "vanishes", "becomes a folder"])
def test_a_file_that_is_not_what_was_found(tmp_path: Path, cache: HashCache, change: str) -> None:
    made = make(tmp_path / "p", a=b"one")
    victim = tmp_path / "p" / "a"
    if change in ("vanishes", "becomes a folder"):
        victim.unlink()
        if change == "becomes a folder":
            victim.mkdir()
    else:
        victim.write_bytes(b"on" if change == "shrinks" else b"ones")
    with pytest.raises(ProjectError, match=r"^a ") as caught:
        hash_bundle(made, cache=cache)
    assert caught.value.hint


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, cache: HashCache) -> None:
    made = make(tmp_path / "p", a=bytes(3 << 20))

    def change() -> None:
        with (tmp_path / "p" / "a").open("r+b") as file:
            file.write(b"x")

    with pytest.raises(ProjectError, match="a changed"):
        hash_bundle(made, cache=cache, check=change)


def test_hashing_goes_on_behind_the_back(tmp_path: Path, cache: HashCache, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, waited = threading.Event(), threading.Event()
    real = hashing.file_hash

    def slow(*arguments: object, **more: object) -> str:
        assert go_on.wait(10)
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(hashing, "file_hash", slow)
    begun = Hashing(make(tmp_path / "p", a=b"one"), cache=cache)

    def wait() -> None:
        waited.set()
        go_on.set()

    assert hashes(begun.manifest(wait=wait)) == {"a": sha256(b"one")}
    assert waited.is_set()
    assert begun.manifest() is begun.manifest()


def test_who_waits_for_the_hashes_may_give_up(tmp_path: Path, cache: HashCache) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    begun = Hashing(bundle(tmp_path, "huge"), cache=cache)

    def give_up() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        begun.manifest(wait=give_up)
    begun.stop()
    assert begun._done.wait(10)


def test_what_goes_wrong_is_raised_where_it_is_waited_for(tmp_path: Path, cache: HashCache) -> None:
    made = make(tmp_path / "p", a=b"one")
    (tmp_path / "p" / "a").unlink()
    begun = Hashing(made, cache=cache)
    for _ in range(2):
        with pytest.raises(ProjectError, match="a cannot be read"):
            begun.manifest()


def test_the_project_is_read_anew_for_each_machine(tmp_path: Path, cache: HashCache) -> None:
    make(tmp_path / "p", a=b"one")
    packing = Packing(lambda: bundle(tmp_path / "p", "a"), cache=cache)
    assert hashes(packing.manifest(lambda: None)) == {"a": sha256(b"one")}  # by a client that rented no machine
    (tmp_path / "p" / "a").write_bytes(b"other")
    assert packing.read().total_bytes == 5
    assert hashes(packing.manifest(lambda: None)) == {"a": sha256(b"other")}
    packing.stop()


def test_the_file_is_looked_at_when_its_content_arrives_damaged(tmp_path: Path, cache: HashCache) -> None:
    made = make(tmp_path / "p", a=b"one")
    packing = Packing(lambda: made, cache=cache)
    [file] = packing.manifest(lambda: None).files
    packing.recheck(file)
    make(tmp_path / "p", a=b"ONE")
    with pytest.raises(ProjectError, match="a changed"):
        packing.recheck(file)
    packing.read()
    assert hashes(packing.manifest(lambda: None)) == {"a": sha256(b"ONE")}
    packing.stop()
    (tmp_path / "p" / "a").unlink()
    with pytest.raises(ProjectError, match="a cannot be read"):
        packing.recheck(file)
