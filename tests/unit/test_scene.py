"""Reading a .blend without Blender."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from cloudrender_addon.backend.errors import SceneError
from cloudrender_addon.backend.scene import SceneInfo, read_scene

DATA = Path(__file__).parent.parent / "data"


def unpacked(version: str) -> bytes:
    with (DATA / f"scene-{version}.blend").open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


@pytest.mark.parametrize(("version", "movie"), [("4.2", False), ("5.0", True)])
@pytest.mark.parametrize("compressed", [True, False])
def test_the_active_scene_is_read(tmp_path: Path, version: str, movie: bool, compressed: bool) -> None:
    path = DATA / f"scene-{version}.blend"
    if not compressed:
        path = tmp_path / "süß name.blend"
        path.write_bytes(unpacked(version))
    scene = read_scene(path)
    major, minor = map(int, version.split("."))
    assert scene == SceneInfo(
        saved_by=(major, minor), frame_start=3, frame_end=9, frame_step=2, frame_current=5, is_movie=movie,
        has_picture=False,
    )  # fmt: skip
    assert scene.blender == version


@pytest.mark.parametrize("name", ["tiny-4.2", "tiny-5.0"])
def test_a_camera_is_seen(name: str) -> None:
    assert read_scene(DATA / f"{name}.blend").has_picture


@pytest.mark.parametrize("name", ["scene-4.2", "scene-5.0", "tiny-4.2"])
def test_what_the_frames_will_be_named_like(name: str) -> None:
    assert read_scene(DATA / f"{name}.blend").extensions == (".png",)


def test_a_file_older_than_the_floor_is_rendered_with_the_floor() -> None:
    old = SceneInfo(saved_by=(3, 6), frame_start=1, frame_end=1, frame_step=1, frame_current=1, is_movie=False)
    assert old.blender == "4.2"


@pytest.mark.parametrize("version", ["4.2", "5.0"])
@pytest.mark.parametrize("keep", [0.0001, 0.01, 0.3, 0.9])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_cut_short_is_damaged(tmp_path: Path, version: str, keep: float, compressed: bool) -> None:
    data = (DATA / f"scene-{version}.blend").read_bytes() if compressed else unpacked(version)
    path = tmp_path / "cut.blend"
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(SceneError, match=r"cut\.blend") as caught:
        read_scene(path)
    assert "\n" not in caught.value.message and caught.value.hint


def zipped(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(
    ("content", "cause", "remedy"),
    [
        (b"", "is empty or cut short", ".blend1"),
        (b"hello, I am a text", "is not a Blender file", "Name a .blend"),
        (b"\x89PNG\r\n\x1a\n", "is not a Blender file", "Name a .blend"),
        (zipped(b"hello"), "is not a Blender file", "Name a .blend"),
        (gzip.compress(b"hello", mtime=0), "is not a Blender file", "Name a .blend"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "is not a Blender file", "git lfs pull"),
        (b"BLEN", "is cut short", ".blend1"),
        (b"BLENDER", "is cut short", ".blend1"),
        (b"BLENDER-v402", "is cut short", ".blend1"),
        (b"BLENDER17-01v0500", "is cut short", ".blend1"),
        (b"\x28\xb5\x2f\xfd", "is empty or cut short", ".blend1"),
        (b"\x1f\x8b", "is empty or cut short", ".blend1"),
        (zipped(b"BLENDER17-01v0500")[:-6], "cut short", ".blend1"),
        (b"BLENDER17-02v0700" + bytes(99), "newer than any", "update cloudrender"),
        (b"BLENDER21-01v0700" + bytes(99), "newer than any", "update cloudrender"),
        (zipped(b"BLENDER17-02v0700" + bytes(99)), "newer than any", "update cloudrender"),
    ],
)
def test_what_is_no_blend_is_called_what_it_is(tmp_path: Path, content: bytes, cause: str, remedy: str) -> None:
    path = tmp_path / "junk.blend"
    path.write_bytes(content)
    with pytest.raises(SceneError) as caught:
        read_scene(path)
    assert caught.value.message.startswith("junk.blend ") and cause in caught.value.message
    assert remedy in caught.value.hint


def test_a_file_of_the_future_that_is_not_understood(tmp_path: Path) -> None:
    data = unpacked("5.0").replace(b"v0500", b"v0909", 1).replace(b"GLOB", b"GLOX")
    path = tmp_path / "future.blend"
    path.write_bytes(data)
    with pytest.raises(SceneError, match="newer than any") as caught:
        read_scene(path)
    assert "update cloudrender" in caught.value.hint


def test_garbage_in_the_middle_never_escapes_as_another_error(tmp_path: Path) -> None:
    data = bytearray(unpacked("4.2"))
    path = tmp_path / "garbage.blend"
    for position in range(12, len(data), len(data) // 20):
        broken = bytes(data[:position]) + bytes(64) + bytes(data[position + 64 :])
        path.write_bytes(broken)
        try:
            read_scene(path)
        except SceneError:
            continue


@pytest.mark.parametrize("name", ["nothing.blend", "."])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SceneError, match="There is no file"):
        read_scene(tmp_path / name)
