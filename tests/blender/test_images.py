# SPDX-License-Identifier: GPL-3.0-or-later
"""Every image that real Blenders write counts as complete, and none that is cut short."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cloudrender_addon.backend.scene import EXTENSIONS
from cloudrender_addon.instance.image_reader import IncompleteImage
from cloudrender_addon.instance.images import check_image

pytestmark = pytest.mark.blender

_SCRIPT = Path(__file__).with_name("images.py")

FORMATS = {
    "BMP", "IRIS", "PNG", "JPEG", "JPEG2000", "TARGA", "TARGA_RAW", "CINEON", "DPX", "OPEN_EXR", "OPEN_EXR_MULTILAYER",
    "HDR", "TIFF", "WEBP",
}  # fmt: skip


@pytest.fixture(scope="session")
def images(version: str, blender_python: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp(f"images-{version}")
    done = subprocess.run(
        [blender_python, "-I", _SCRIPT, folder], capture_output=True, text=True, timeout=170, check=False
    )
    found = sorted(path for path in folder.iterdir() if path.suffix != ".txt")
    assert {path.name.split("-")[0] for path in found} == {*FORMATS, "VIEWS"}, done.stdout + done.stderr
    return found


def complete(path: Path) -> bool:
    try:
        check_image(path)
    except IncompleteImage:
        return False
    return True


def test_what_blender_writes_is_complete(images: list[Path]) -> None:
    assert [path.name for path in images if not complete(path)] == []


def test_they_are_named_as_their_format_says(images: list[Path]) -> None:
    numbers = dict(line.split() for line in (images[0].parent / "formats.txt").read_text().splitlines())
    for path in images:
        kind = path.name.split("-")[1 if path.name.startswith("VIEWS") else 0].removesuffix(".exr")
        assert path.suffix in EXTENSIONS[int(numbers[kind])], path.name


def test_among_them_are_files_of_several_parts_since_blender_5(images: list[Path]) -> None:
    several = [path.name for path in images if path.suffix == ".exr" and path.read_bytes()[5] & 0x10]
    assert bool(several) == ("-5.0" in images[0].parent.name)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
def test_what_is_cut_short_is_not(images: list[Path], tmp_path: Path, share: float) -> None:
    missed = []
    for path in images:
        content = path.read_bytes()
        # Behind a Targa's pixels are 495 and 26 bytes that nobody needs.
        end = len(content) - 521 if path.suffix == ".tga" else len(content)
        cut = tmp_path / path.name
        cut.write_bytes(content[: min(int(end * share), end - 1)])
        if complete(cut):
            missed.append(path.name)
    assert missed == []


def test_a_png_with_any_byte_changed_is_not(images: list[Path], tmp_path: Path) -> None:
    smallest = min((path for path in images if path.suffix == ".png"), key=lambda path: path.stat().st_size)
    content = bytearray(smallest.read_bytes())
    changed = tmp_path / smallest.name
    for place in range(len(content)):
        content[place] ^= 0x10
        changed.write_bytes(content)
        content[place] ^= 0x10
        assert not complete(changed), place
