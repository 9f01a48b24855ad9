# SPDX-License-Identifier: GPL-3.0-or-later
"""What a compressed .blend is unpacked to: it may come from anybody."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from cloudrender_addon.tracing import blend_copy
from cloudrender_addon.tracing.blend_format import NotABlend

BLEND = (Path(__file__).parents[1] / "data" / "tiny-4.2.blend").read_bytes()
PACKERS: list[Callable[[bytes], bytes]] = [gzip.compress, zstandard.ZstdCompressor().compress]


def paths_of(path: Path) -> list[str]:
    with blend_copy.opened(path, scratch=path.parent) as copy:
        return copy.library_paths()


def unpacked() -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(BLEND), read_across_frames=True) as reader:
        return bytes(reader.readall())


@pytest.mark.parametrize("pack", PACKERS, ids=["gzip", "zstandard"])
def test_a_compressed_one_is_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(pack(unpacked()))
    assert paths_of(path) == []


@pytest.mark.parametrize("pack", PACKERS, ids=["gzip", "zstandard"])
def test_one_that_grows_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(blend_copy, "_SMALL_BYTES", 10 << 20)
    path = tmp_path / "bomb.blend"
    path.write_bytes(pack(unpacked()) + pack(bytes(30 << 20)))
    assert path.stat().st_size < 2 << 20
    with pytest.raises(NotABlend, match=r"larger than any \.blend of its size"):
        paths_of(path)
    assert [each.name for each in tmp_path.iterdir()] == ["bomb.blend"]


def test_what_a_packed_file_may_become_goes_by_its_size() -> None:
    most = blend_copy._most_unpacked
    assert most(1) == 1 << 30 and most(10 << 20) == 2000 << 20 and most(1 << 40) == 64 << 30
