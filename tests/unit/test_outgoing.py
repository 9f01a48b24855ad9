# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames in which files leave: every byte once, in little memory, compressed where the line is slower than that."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.assets.hashing import hash_bundle
from cloudrender_addon.backend.assets.manifest import HashedFile
from cloudrender_addon.backend.errors import Cancelled, ProjectError
from cloudrender_addon.backend.farms import outgoing
from cloudrender_addon.backend.farms.outgoing import Outgoing
from cloudrender_addon.instance.transfer import BLOCK_BYTES, END, FRAME, RAW, WHOLE_BYTES, ZLIB, blocks_of
from tests.unit.bundles import make


def hashed(root: Path, files: dict[str, bytes]) -> tuple[HashedFile, ...]:
    return hash_bundle(make(root, files), cache=HashCache(root / "none" / "none")).files


def send(
    files: tuple[HashedFile, ...],
    write: Callable[[memoryview], object],
    *,
    on_sent: Callable[[int], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    stream = Outgoing(write, on_sent=on_sent, check=check)
    for index, file in enumerate(files):
        for number in range(blocks_of(file.size)):
            stream.block(index, file, number)
    stream.end()
    stream.close()


def frames(data: bytes) -> tuple[list[int], dict[int, bytes]]:
    """Return the kinds of the frames, and the contents of the objects."""
    kinds: list[int] = []
    contents: dict[int, bytes] = {}
    while data:
        kind, index, number, length = FRAME.unpack_from(data)
        payload, data = data[FRAME.size : FRAME.size + length], data[FRAME.size + length :]
        kinds.append(kind)
        if kind != END:
            assert len(payload) == length and len(contents.get(index, b"")) == number * BLOCK_BYTES
            contents[index] = contents.get(index, b"") + (zlib.decompress(payload) if kind == ZLIB else payload)
    return kinds, contents


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.one_of(st.integers(0, 1100), st.integers(261_000, 262_700)), min_size=1, max_size=6))
def test_every_size_arrives(tmp_path: Path, sizes: list[int]) -> None:
    files = {f"{n}": os.urandom(size) for n, size in enumerate(sizes)}
    out = bytearray()
    send(hashed(tmp_path, files), out.extend)
    kinds, contents = frames(bytes(out))
    assert list(contents.values()) == list(files.values())
    assert kinds == [RAW] * len(files) + [END]


def test_a_large_file_leaves_in_blocks(tmp_path: Path) -> None:
    files = {"a": b"x", "large": os.urandom(WHOLE_BYTES + 5), "whole": os.urandom(WHOLE_BYTES)}
    out = bytearray()
    send(hashed(tmp_path, files), out.extend)
    kinds, contents = frames(bytes(out))
    assert list(contents.values()) == list(files.values())
    assert len(kinds) == 1 + 9 + 1 + 1


def test_progress_counts_content(tmp_path: Path) -> None:
    sent: list[int] = []
    send(hashed(tmp_path, {"a": bytes(700_000), "b": b"", "c": bytes(10)}), lambda _: None, on_sent=sent.append)
    assert sum(sent) == 700_010 and len(sent) > 2


def test_check_ends_it(tmp_path: Path) -> None:
    checks = iter(range(3))

    def check() -> None:
        if next(checks) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        send(hashed(tmp_path, {"a": bytes(2_000_000)}), lambda _: None, check=check)


def test_what_write_raises_is_not_mistaken_for_the_projects_fault(tmp_path: Path) -> None:
    def full(_: memoryview) -> None:
        raise OSError("not a matter of the project")

    with pytest.raises(OSError, match="not a matter"):
        send(hashed(tmp_path, {"a": bytes(600_000)}), full)


@pytest.mark.parametrize("when", ["before", "during"])
@pytest.mark.parametrize("change", ["shrinks", "grows", "is rewritten", "vanishes"])
def test_file_that_changes_ends_the_stream(tmp_path: Path, change: str, when: str) -> None:
    files = hashed(tmp_path, {"a": bytes(1_000_000), "b": b"later"})
    victim = tmp_path / ("b" if change == "vanishes" else "a")  # what is open may vanish, and is still read whole

    def happen() -> None:
        if change == "shrinks":
            os.truncate(victim, 500_000)
        elif change == "grows":
            os.truncate(victim, 1_000_001)
        elif change == "is rewritten":
            victim.write_bytes(bytes(1_000_000))
            os.utime(victim, (1, 1))
        else:
            victim.unlink()

    written: list[int] = []

    def write(piece: memoryview) -> None:
        written.append(len(piece))
        if when == "during" and len(written) == 1:
            happen()

    if when == "before":
        happen()
    with pytest.raises(ProjectError) as caught:
        send(files, write)
    assert caught.value.message.startswith(victim.name)
    assert caught.value.hint


# -- compression -----------------------------------------------------------------------------------------


class Line:
    """A line of so many bytes a second, by a clock on which all else takes no time."""

    def __init__(self, rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self._rate = rate
        self._now = 0.0
        self.data = bytearray()
        monkeypatch.setattr(outgoing, "time", types.SimpleNamespace(monotonic=lambda: self._now))

    def write(self, piece: memoryview) -> None:
        self.data.extend(piece)
        self._now += len(piece) / self._rate


def test_on_a_slow_line_what_shrinks_is_compressed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"".join(b"v %d %d %d\n" % (n, n * 7 % 1001, n * n % 997) for n in range(400_000))
    files = {
        "first": os.urandom(3_000_000),  # by this the pace is known
        "mesh": text,
        "photo": os.urandom(2_000_000),
        "small": b"\0" * 5000,
        "tiny": b"x",
        "large": text + text,
        "empty": b"",
    }
    line = Line(2.5e6, monkeypatch)
    send(hashed(tmp_path, files), line.write)
    kinds, contents = frames(bytes(line.data))
    assert list(contents.values()) == list(files.values())
    assert kinds[:5] == [RAW, ZLIB, RAW, ZLIB, RAW]
    assert set(kinds[5:-2]) == {ZLIB} and kinds[-2:] == [RAW, END]
    assert len(line.data) < sum(map(len, files.values())) * 0.8


def test_on_a_fast_line_nothing_is_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(200e6, monkeypatch)
    send(hashed(tmp_path, {"zeros": bytes(12 << 20), "more": bytes(1000)}), line.write)
    assert ZLIB not in frames(bytes(line.data))[0]


def test_a_file_that_is_compressed_may_not_change_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = hashed(tmp_path, {"first": os.urandom(3_000_000), "mesh": bytes(5_000_000)})
    os.truncate(tmp_path / "mesh", 4_000_000)
    with pytest.raises(ProjectError, match="mesh changed"):
        send(files, Line(2.5e6, monkeypatch).write)


def test_memory_is_constant(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(128 << 20)  # sparse
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from cloudrender_addon.backend.assets.hash_cache import HashCache\n"
        "from cloudrender_addon.backend.assets.hashing import hash_bundle\n"
        "from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile\n"
        "from tests.unit.test_outgoing import send\n"
        "file = BundleFile(source=Path(sys.argv[1]), name='huge', size=128 << 20)\n"
        "cache = HashCache(Path(sys.argv[2]))\n"
        "def run(*files): send(hash_bundle(Bundle(root=Path('.'), files=files), cache=cache).files, lambda _: None)\n"
        "run()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "run(file)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", program, huge, tmp_path / "hashes"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 6_000  # kilobytes
