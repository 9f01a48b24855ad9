# SPDX-License-Identifier: GPL-3.0-or-later
"""What has arrived on the machine: whole and genuine under its hash, or on its way."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from cloudrender_addon.instance.assemble import assemble
from cloudrender_addon.instance.manifest import Entry
from cloudrender_addon.instance.store import Store
from cloudrender_addon.instance.transfer import BLOCK_BYTES, WHOLE_BYTES, block_bytes, blocks_of, runs

LARGE = os.urandom(WHOLE_BYTES + BLOCK_BYTES + 7)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def block(number: int) -> bytes:
    return LARGE[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]


@pytest.mark.parametrize("size", [0, 1, WHOLE_BYTES - 1, WHOLE_BYTES, WHOLE_BYTES + 1, 20 * BLOCK_BYTES, len(LARGE)])
def test_blocks_are_the_whole(size: int) -> None:
    lengths = [block_bytes(size, number) for number in range(blocks_of(size))]
    assert sum(lengths) == size and (size == 0 or min(lengths) > 0)
    assert len(lengths) == 1 or set(lengths[:-1]) == {BLOCK_BYTES}


def test_numbers_in_runs() -> None:
    assert runs([]) == []
    assert runs([0, 1, 2, 5, 7, 8]) == [(0, 3), (5, 1), (7, 2)]


def test_only_what_is_genuine_is_kept(store: Store) -> None:
    name = sha256(b"content")
    assert not store.put(name, b"CONTENT") and not store.has(name, 7)
    assert store.put(name, bytearray(b"content")) and store.has(name, 7)
    assert Path(store.path(name)).read_bytes() == b"content"
    assert store.put(name, b"content")


def test_what_a_killed_writer_left_is_not_taken_for_the_whole(store: Store) -> None:
    name = sha256(b"content")
    assert store.put(name, b"content")
    os.truncate(store.path(name), 3)
    assert not store.has(name, 7)
    assert store.put(name, b"content") and Path(store.path(name)).read_bytes() == b"content"


def test_blocks_come_in_any_order_from_several_connections(store: Store) -> None:
    name, last = sha256(LARGE), blocks_of(len(LARGE)) - 1
    one, other = store.part(name, len(LARGE)), store.part(name, len(LARGE))
    other.add(last, block(last))
    for number in range(0, last, 2):
        one.add(number, block(number))
    for number in range(1, last, 2):
        other.add(number, block(number))
        one.hash_on()
    assert one.missing() == [] and other.missing() != []
    assert store.settle(one) and store.has(name, len(LARGE))
    assert Path(store.path(name)).read_bytes() == LARGE
    assert list((Path(store.path(name)).parents[1] / "parts").iterdir()) == []


def test_a_part_is_gone_on_with(store: Store) -> None:
    name, last = sha256(LARGE), blocks_of(len(LARGE)) - 1
    first = store.part(name, len(LARGE))
    for number in range(last):
        first.add(number, block(number))
    with Path(f"{first.path}.have").open("ab") as have:
        have.write(b"\0\0")  # torn
    second = store.part(name, len(LARGE))
    second.look()
    assert second.missing() == [last]
    second.add(last, block(last))
    assert store.settle(second)


def test_a_part_that_is_not_genuine_is_thrown_away(store: Store) -> None:
    part = store.part(sha256(LARGE), len(LARGE))
    for number in range(blocks_of(len(LARGE))):
        part.add(number, block(number) if number != 3 else bytes(BLOCK_BYTES))
    assert not store.settle(part)
    assert list((Path(part.path).parent).iterdir()) == []


def test_only_what_is_wanted_stays(store: Store, tmp_path: Path) -> None:
    wanted, other, large = sha256(b"wanted"), sha256(b"other"), sha256(LARGE)
    for content in (b"wanted", b"other"):
        store.put(sha256(content), content)
    for name in (large, other):
        store.part(name, len(LARGE)).add(0, block(0))
    store.note_last(wanted)
    store.prune({wanted, large})
    assert {path.name for path in (tmp_path / "store").rglob("*") if path.is_file()} == {
        wanted, large, f"{large}.have", "last",
    }  # fmt: skip
    assert Store(tmp_path / "store").last() == wanted
    store.put(other, b"other")  # a folder that is empty now does not matter


def test_of_the_last_project_is_known_what_could_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert store.last() is None
    store.note_last("ab")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        store.note_last("cd")
    assert store.last() is None


def entries(store: Store, **files: bytes) -> tuple[Entry, ...]:
    for content in files.values():
        assert store.put(sha256(content), content)
    return tuple(Entry(name.replace("_", "/"), len(content), sha256(content), False) for name, content in files.items())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_project_is_made_of_links(store: Store, tmp_path: Path) -> None:
    made = entries(store, a=b"1", b_c=b"2", b_d=b"1")
    (tmp_path / "project.part.999999999").mkdir()  # a process that is gone
    assemble(made, store=store, project=tmp_path / "project")
    assert tree(tmp_path / "project") == {"a": b"1", "b/c": b"2", "b/d": b"1"}
    assert (tmp_path / "project" / "a").stat().st_nlink == 3
    assert (tmp_path / "project" / "a").stat().st_mtime == (tmp_path / "project" / "b" / "c").stat().st_mtime
    assert not list(tmp_path.glob("project.*"))


def test_the_project_is_made_of_copies_where_there_are_no_links(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assemble(entries(store, a=b"1", b_c=b"2"), store=store, project=tmp_path / "project")
    assert tree(tmp_path / "project") == {"a": b"1", "b/c": b"2"}
    assert (tmp_path / "project" / "a").stat().st_nlink == 1


def test_what_blender_may_write_anew_is_a_copy_of_its_own(store: Store, tmp_path: Path) -> None:
    files = {"blendcache/cloth.bphys": b"1", "wood.png": b"2"}
    made = tuple(Entry(name, 1, sha256(content), False) for name, content in files.items())
    for content in files.values():
        assert store.put(sha256(content), content)
    assemble(made, store=store, project=tmp_path / "project")
    cache = tmp_path / "project" / "blendcache" / "cloth.bphys"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "project" / "wood.png").stat().st_mode) == 0o400
    cache.write_bytes(b"simulated")
    assert Path(store.path(sha256(b"1"))).read_bytes() == b"1"


def test_who_comes_second_leaves_the_project_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a").write_bytes(b"of the first")
    assemble(entries(store, a=b"1"), store=store, project=tmp_path / "project")
    assert tree(tmp_path / "project") == {"a": b"of the first"}
    assert not list(tmp_path.glob("project.*"))
