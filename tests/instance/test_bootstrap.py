# SPDX-License-Identifier: GPL-3.0-or-later
"""The right Blender is found on the image or fetched from a mirror, and a wrong one never is."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudrender_addon.instance import blender_libraries, blender_release
from cloudrender_addon.instance.blender_release import bring, newest
from cloudrender_addon.instance.download import Mirror
from cloudrender_addon.instance.failure import Failure


def put_blender(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho Blender {version}\n")
    path.chmod(0o755)
    return path


class ReleaseServer:
    """A release mirror over a folder. `broken` counts down archive requests that end half way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken = 0
        self.requests: list[str] = []
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                if not self.path.endswith(".xz") or server.broken == 0:
                    super().do_GET()
                    return
                server.broken -= 1
                content = (server.folder / self.path.lstrip("/")).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])

            def log_message(self, *_: object) -> None: ...

        handler = functools.partial(Handler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def release(self, version: str, *, checksum: str = "") -> None:
        """Offer one version as a real archive."""
        folder = self.folder / f"Blender{version.rpartition('.')[0]}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"blender-{version}-linux-x64"
        script = f"#!/bin/sh\necho Blender {version}\n".encode() + os.urandom(100_000)
        with tarfile.open(folder / f"{name}.tar.xz", "w:xz") as archive:
            info = tarfile.TarInfo(f"{name}/blender")
            info.size, info.mode = len(script), 0o755
            archive.addfile(info, io.BytesIO(script))
        true = hashlib.sha256((folder / f"{name}.tar.xz").read_bytes()).hexdigest()
        sums = f"{'0' * 64}  blender-{version}-windows-x64.zip\n{checksum or true}  {name}.tar.xz\n"
        (folder / f"blender-{version}.sha256").write_text(sums)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[ReleaseServer]:
    (tmp_path / "mirror").mkdir()
    server = ReleaseServer(tmp_path / "mirror")
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture(autouse=True)
def bare_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Blender of the computer that runs the tests is found."""
    monkeypatch.setattr(blender_release, "_PLACES", (str(tmp_path / "opt" / "blender*" / "blender"),))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")


class Pauses(list[float]):
    """Stands in for sleep."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def brought(tmp_path: Path, mirror: ReleaseServer, pauses: Pauses) -> functools.partial[blender_release.Blender]:
    """`bring`, with all but the wanted version given."""
    return functools.partial(bring, mirror=Mirror(mirror.url, pause=pauses), folder=tmp_path / "blender")


def test_versions_are_compared_by_number() -> None:
    offered = ["4.2.9", "4.2.10", "4.2.0", "4.20.1", "4.1.12"]
    assert newest(offered, "4.2") == "4.2.10"
    assert newest(offered, "4.2.9") == "4.2.9"
    assert newest(offered, "4.2.1") is None
    assert newest(offered, "5.0") is None


def test_the_newest_patch_is_downloaded(tmp_path: Path, mirror: ReleaseServer, brought) -> None:
    for version in ("4.2.2", "4.2.10", "4.2.9"):
        mirror.release(version)
    blender = brought(wanted="4.2")
    assert (blender.version, blender.source) == ("4.2.10", "download")
    assert blender.executable == tmp_path / "blender" / "4.2.10" / "blender"
    assert os.access(blender.executable, os.X_OK)
    assert [path.name for path in (tmp_path / "blender").iterdir()] == ["4.2.10"]


def test_exactly_the_named_patch_is_downloaded(mirror: ReleaseServer, brought) -> None:
    for version in ("4.2.2", "4.2.10"):
        mirror.release(version)
    assert brought(wanted="4.2.2").version == "4.2.2"


def test_a_download_is_used_again(mirror: ReleaseServer, brought) -> None:
    mirror.release("4.2.2")
    first = brought(wanted="4.2")
    asked = len(mirror.requests)
    again = brought(wanted="4.2")
    assert (again.executable, again.version, again.source) == (first.executable, first.version, "kept")
    assert len(mirror.requests) == asked


def test_the_image_comes_first(tmp_path: Path, mirror: ReleaseServer, brought) -> None:
    mirror.release("4.2.10")
    put_blender(tmp_path / "path" / "blender", "4.1.1")
    put_blender(tmp_path / "opt" / "blender-4.2.3" / "blender", "4.2.3 LTS")
    mine = put_blender(tmp_path / "opt" / "blender-lts" / "blender", "4.2.5 LTS")
    blender = brought(wanted="4.2")
    assert (blender.executable, blender.version, blender.source) == (mine, "4.2.5", "image")
    assert not mirror.requests
    assert brought(wanted="4.2.10").source == "download"


def test_a_broken_blender_on_the_image_is_passed_over(tmp_path: Path, mirror: ReleaseServer, brought) -> None:
    mirror.release("4.2.10")
    broken = put_blender(tmp_path / "path" / "blender", "4.2.11")
    broken.write_text("#!/bin/sh\necho Blender 4.2.11\nexit 127\n")
    assert brought(wanted="4.2").version == "4.2.10"


def test_a_broken_connection_is_tried_again(mirror: ReleaseServer, brought, pauses: Pauses) -> None:
    mirror.release("4.2.10")
    mirror.broken = 2
    assert brought(wanted="4.2").version == "4.2.10"
    assert pauses == [2, 4]


def test_a_wrong_checksum_is_never_used(tmp_path: Path, mirror: ReleaseServer, brought, pauses: Pauses) -> None:
    mirror.release("4.2.10", checksum="0" * 64)
    with pytest.raises(Failure, match="checksum") as caught:
        brought(wanted="4.2")
    assert caught.value.kind == "blender"
    assert caught.value.hint
    assert list((tmp_path / "blender").iterdir()) == []
    assert len(pauses) == 4


def test_a_mirror_without_checksums_is_not_trusted(mirror: ReleaseServer, brought) -> None:
    mirror.release("4.2.10")
    (mirror.folder / "Blender4.2" / "blender-4.2.10.sha256").write_text("nothing\n")
    with pytest.raises(Failure, match="no checksum"):
        brought(wanted="4.2")


@pytest.mark.parametrize("wanted", ["9.9", "4.2.99"])
def test_a_version_that_does_not_exist_is_named(mirror: ReleaseServer, brought, pauses: Pauses, wanted: str) -> None:
    mirror.release("4.2.10")
    with pytest.raises(Failure, match=wanted) as caught:
        brought(wanted=wanted)
    assert caught.value.kind == "blender"
    assert not pauses


@pytest.mark.parametrize("wanted", ["", "4", "latest", "4.2/../../etc"])
def test_only_versions_are_asked_for(mirror: ReleaseServer, brought, wanted: str) -> None:
    with pytest.raises(Failure, match="not a Blender version"):
        brought(wanted=wanted)
    assert not mirror.requests


def test_a_mirror_that_is_away_is_given_up(tmp_path: Path, pauses: Pauses) -> None:
    with pytest.raises(Failure, match="cannot be downloaded"):
        bring(wanted="4.2", mirror=Mirror("http://127.0.0.1:1", pause=pauses), folder=tmp_path / "blender")
    assert len(pauses) == 4


def test_a_full_disk_is_told_from_a_bad_archive(tmp_path: Path, mirror: ReleaseServer, brought, pauses: Pauses) -> None:
    mirror.release("4.2.10")
    put_blender(tmp_path / "path" / "xz", "")  # without one on the machine, tar is not used
    tar = put_blender(tmp_path / "path" / "tar", "")
    tar.write_text("#!/bin/sh\nhead -c 10 >/dev/null\necho 'tar: write error: No space left on device' >&2\nexit 2\n")
    with pytest.raises(Failure, match="disk") as caught:
        brought(wanted="4.2")
    assert caught.value.kind == "blender"
    assert not pauses


def test_without_xz_python_unpacks(
    mirror: ReleaseServer, brought, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mirror.release("4.2.10")
    (tmp_path / "ldd").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "ldd"))
    blender = brought(wanted="4.2")
    assert blender.executable.read_bytes().startswith(b"#!/bin/sh\necho Blender 4.2.10")


# -- system libraries -----------------------------------------------------------------------------------


@pytest.fixture
def package_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `apt-get` that writes down its arguments; with the file `works` there, it brings the missing library."""
    bin_folder = tmp_path / "path"
    bin_folder.mkdir()
    brought, works, log = tmp_path / "brought", tmp_path / "works", tmp_path / "apt"
    commands = {
        "ldd": f'echo "  libc.so.6 => /lib/libc.so.6 (0x0)"; [ -e "{brought}" ] || echo "  libXi.so.6 => not found"',
        "sudo": 'shift; exec "$@"',
        "apt-get": f'echo "$@" >>"{log}"; case "$*" in *install*) cp "{works}" "{brought}";; esac',
    }
    for name, does in commands.items():
        put_blender(bin_folder / name, "").write_text(f"#!/bin/sh\n{does}\n")
    monkeypatch.setattr(blender_libraries, "_PAUSE_SECONDS", 0.0)
    return tmp_path


def test_missing_libraries_are_installed(package_manager: Path) -> None:
    (package_manager / "works").touch()
    blender_libraries.ensure(Path("/bin/true"))
    update, install = (package_manager / "apt").read_text().splitlines()
    assert update.endswith("update")
    assert "DPkg::Lock::Timeout=120" in install
    assert {"libxi6", "libgl1", "libegl1"} <= set(install.split())
    blender_libraries.ensure(Path("/bin/true"))  # nothing is missing now
    assert len((package_manager / "apt").read_text().splitlines()) == 2


def test_libraries_that_cannot_be_had_are_named(package_manager: Path) -> None:
    with pytest.raises(Failure, match=r"libXi\.so\.6") as caught:
        blender_libraries.ensure(Path("/bin/true"))
    assert caught.value.kind == "blender"
    assert any("works" in line for line in caught.value.log)
