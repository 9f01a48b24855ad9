# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Snapshot in real Blenders: what a bundle lacks shows, and the user's folder stays as it is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled
from cloudrender_addon.backend.local_blender import LocalBlender
from cloudrender_addon.backend.snapshot_check import SnapshotCheck, check_snapshot

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def blender(version: str, blender_python: Path) -> LocalBlender:
    major, minor, patch = map(int, version.split("."))
    return LocalBlender(program=blender_python, version=(major, minor, patch), is_module=True)


@pytest.fixture(scope="module")
def project(blender_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    script = Path(__file__).with_name("check_scene.py")
    subprocess.run([blender_python, script, folder], check=True, capture_output=True, timeout=120)
    return folder


def check(
    project: Path, blender: LocalBlender, scratch: Path, *, blend: str, without: str = "", cancel: CancelToken
) -> SnapshotCheck:
    """Check a bundle of all files of the project, of which one may be left out."""
    names = [path.relative_to(project).as_posix() for path in sorted(project.rglob("*")) if path.is_file()]
    files = [
        BundleFile(source=project / name, name=name, size=(project / name).stat().st_size)
        for name in names
        if name != without
    ]
    place = scratch / "scratch"
    place.mkdir()
    return check_snapshot(
        Bundle(root=project, files=tuple(files)),
        blend=blend,
        open_file=project / blend,
        original=project / blend,
        blender=blender,
        output=scratch / "pictures",
        scratch=place,
        send="folder",
        say=lambda _: None,
        cancel=cancel,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_whole_bundle_is_identical_and_nothing_is_written_to(
    project: Path, blender: LocalBlender, tmp_path: Path
) -> None:
    before = content(project)
    result = check(project, blender, tmp_path, blend="film.blend", cancel=CancelToken())
    assert (result.verdict, result.differing, result.identical) == (
        "Identical: frame 1 of the bundle is the same to the pixel",
        0.0,
        True,
    )
    assert result.open_file and result.bundle and result.difference is None
    assert Image.open(result.open_file).size == Image.open(result.bundle).size == (480, 270)
    assert content(project) == before
    assert not list((tmp_path / "scratch").rglob("mask*"))


def test_a_texture_that_was_left_out_shows(project: Path, blender: LocalBlender, tmp_path: Path) -> None:
    result = check(project, blender, tmp_path, blend="film.blend", without="tex/wood.png", cancel=CancelToken())
    assert result.differing is not None and 0.01 < result.differing < 0.5 and not result.identical
    assert result.verdict.startswith("Different: ") and result.difference
    assert result.bundle and result.open_file
    assert _pink(result.bundle) > 0.03 and _pink(result.open_file) == 0
    assert _share(result.difference, lambda *color: color == (255, 0, 0)) == pytest.approx(result.differing)


def _share(picture: Path, wanted: Callable[[int, int, int], bool]) -> float:
    """Return the share of the pixels of such a color."""
    with Image.open(picture) as image:
        counted = image.convert("RGB").getcolors(maxcolors=2**24) or []
        return sum(count for count, color in counted if wanted(*color)) / (image.width * image.height)


def _pink(picture: Path) -> float:
    return _share(picture, lambda red, green, blue: red > 100 and blue > 100 and green < 0.6 * red)


def test_a_path_that_leads_out_of_the_bundle_shows(project: Path, blender: LocalBlender, tmp_path: Path) -> None:
    result = check(project, blender, tmp_path, blend="absolute.blend", cancel=CancelToken())
    assert result.reached == (str((project / "tex" / "wood.png").resolve()),)
    assert result.differing == 0 and not result.identical and "outside of the bundle" in result.verdict


def test_a_scene_without_a_picture_says_why(project: Path, blender: LocalBlender, tmp_path: Path) -> None:
    result = check(project, blender, tmp_path, blend="no_camera.blend", cancel=CancelToken())
    assert result.verdict == "No picture: The scene 'Scene' has no camera" and result.hint
    assert result.differing is None and not result.identical and result.open_file is None


def test_it_can_be_cancelled(project: Path, blender: LocalBlender, tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        check(project, blender, tmp_path, blend="film.blend", cancel=cancel)
