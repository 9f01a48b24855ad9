# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirror looks like Blender's, and what it serves is a Blender that renders."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.localcloud.cloud import Cloud
from tests.localcloud.gpu_machine import environment, furnish
from tests.localcloud.mirror import Mirror, installed_blenders, launcher_scripts

VERSIONS = ("4.2.23", "5.0.1")
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

# A scene that renders in a blink, set up by a script as render.py does it.
SMALL = """
import bpy
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.render.resolution_x = scene.render.resolution_y = 16
scene.render.resolution_percentage = 100
"""


@pytest.fixture(params=VERSIONS)
def blender(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Unpack a Blender as the agent does and return its executable."""
    if request.param not in installed_blenders():
        pytest.skip(f"scripts/get-blender.sh {request.param} has not been run")
    series = request.param.rpartition(".")[0]
    archive = Mirror(launcher_scripts(installed_blenders())).get(
        f"/Blender{series}/blender-{request.param}-linux-x64.tar.xz"
    )[2]
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "release")  # noqa: S202 - our own archive; Python 3.11.2 has no `filter`
    return tmp_path / "release" / f"blender-{request.param}-linux-x64" / "blender"


def run(blender: Path, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [blender, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **settings
    )


def test_the_mirror_is_laid_out_as_the_real_one(cloud: Cloud, tmp_path: Path) -> None:
    base = cloud.env()["CLOUDRENDER_MIRROR"]

    def get(path: str) -> bytes:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{base}{path}", timeout=10) as answer:
            return answer.read()

    versions = installed_blenders()
    if not versions:
        pytest.skip("scripts/get-blender.sh has not been run")
    for version in versions:
        series = version.rpartition(".")[0]
        index = get(f"/Blender{series}/").decode()
        names = re.findall(r'<a href="([^"]+)">', index)
        assert f"blender-{version}-linux-x64.tar.xz" in names
        assert f"blender-{series}.0-linux-x64.tar.xz" in names
        archive = get(f"/Blender{series}/blender-{version}-linux-x64.tar.xz")
        sums = dict(
            reversed(line.split()) for line in get(f"/Blender{series}/blender-{version}.sha256").decode().splitlines()
        )
        assert sums[f"blender-{version}-linux-x64.tar.xz"] == hashlib.sha256(archive).hexdigest()
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:xz") as tar:
            assert tar.getmember(f"blender-{version}-linux-x64/blender").mode & 0o111
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get("/Blender9.9/")


def test_only_complete_blenders_are_offered(tmp_path: Path) -> None:
    cache = tmp_path / "cloudrender-dev"
    (cache / "bpy-4.2.23").mkdir(parents=True)
    (cache / "bpy-5.0.1").mkdir()
    (cache / "bpy-5.0.1" / ".complete").touch()
    assert installed_blenders({"XDG_CACHE_HOME": str(tmp_path)}) == {"5.0.1": cache / "bpy-5.0.1"}
    assert Mirror(launcher_scripts(installed_blenders({"XDG_CACHE_HOME": str(tmp_path)}))).get("/Blender4.2/")[0] == 404


def test_the_wheel_of_4_3_0_stands_for_the_blender_with_a_window(tmp_path: Path) -> None:
    wheel = tmp_path / "cloudrender-dev" / "bpy-4.3.0"
    wheel.mkdir(parents=True)
    (wheel / ".complete").touch()
    blenders = installed_blenders({"XDG_CACHE_HOME": str(tmp_path)})
    assert blenders == {"4.3.0": wheel, "4.3.2": wheel}
    archive = Mirror(launcher_scripts(blenders)).get("/Blender4.3/blender-4.3.2-linux-x64.tar.xz")[2]
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path)  # noqa: S202 - our own archive
    (wheel / "bin").mkdir()
    (wheel / "bin" / "python").symlink_to(sys.executable)  # bpy is not needed to tell the version
    said = run(tmp_path / "blender-4.3.2-linux-x64" / "blender", "--version").stdout
    assert said.splitlines()[0] == "Blender 4.3.2"


def test_getting_a_blender_that_is_there_does_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cloudrender-dev" / "bpy-4.2.23"
    folder.mkdir(parents=True)
    (folder / ".complete").touch()
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([SCRIPTS / "get-blender.sh", "4.2.23"], env=env, check=True, timeout=5)
    assert list(folder.iterdir()) == [folder / ".complete"]


def test_a_blender_without_a_lock_file_is_refused(tmp_path: Path) -> None:
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [SCRIPTS / "get-blender.sh", "2.79"], env=env, check=False, timeout=5, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no Blender 2.79" in done.stderr


@pytest.mark.blender
def test_renders_an_animation(blender: Path, tmp_path: Path) -> None:
    script = tmp_path / "small.py"
    script.write_text(
        SMALL + 'bpy.context.scene.camera.keyframe_insert("location", frame=1)\n'
        "bpy.context.scene.camera.location.x += 3\n"
        'bpy.context.scene.camera.keyframe_insert("location", frame=3)\n'
        f"bpy.ops.wm.save_as_mainfile(filepath={str(tmp_path / 'a b é.blend')!r})\n"
    )
    assert run(blender, "-b", "-P", script).returncode == 0
    done = run(
        blender,
        "-b",
        "a b é.blend",
        "-o",
        "//out/f_###",
        "-F",
        "PNG",
        "-x",
        "1",
        "-s",
        "2",
        "-e",
        "3",
        "-a",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    frames = [tmp_path / "out" / f"f_{number:03}.png" for number in (2, 3)]
    assert sorted((tmp_path / "out").iterdir()) == frames
    first, second = (frame.read_bytes() for frame in frames)
    assert first.startswith(b"\x89PNG")
    assert first != second


@pytest.mark.blender
def test_arguments_hold_from_where_they_stand(blender: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.py"
    small.write_text(SMALL)
    done = run(
        blender,
        *("-b", "-P", small, "-o", tmp_path / "early", "-f", "7", "-o", tmp_path / "late", "-f", "1,3..4"),
        *("--python-expr", "import sys; print('argv', sys.argv[1:2] + sys.argv[-2:])", "--", "-f", "9"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "early0007.png",
        "late0001.png",
        "late0003.png",
        "late0004.png",
    }
    assert "argv ['-b', '-f', '9']" in done.stdout


@pytest.mark.blender
@pytest.mark.parametrize("content", [None, "not a blend file"])
def test_a_file_it_cannot_read_ends_it(blender: Path, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "scene.blend"
    if content is not None:
        path.write_text(content)
    done = run(blender, "-b", path, "-o", tmp_path / "f", "-a")
    assert done.returncode == 1
    assert str(path) in done.stdout + done.stderr
    assert list(tmp_path.glob("f*")) == []


@pytest.mark.blender
def test_a_failing_script_sets_the_exit_code_only_when_asked(blender: Path, tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("raise ValueError('on purpose')\n")
    lenient = run(blender, "-b", "-P", script, "--python-expr", "print('went on')")
    assert (lenient.returncode, "went on" in lenient.stdout) == (0, True)
    strict = run(blender, "-b", "--python-exit-code", "3", "-P", script, "--python-expr", "print('went on')")
    assert (strict.returncode, "went on" in strict.stdout) == (3, False)
    assert "ValueError: on purpose" in strict.stderr
    assert run(blender, "-b", "--python-expr", "import sys; sys.exit(4)").returncode == 4


@pytest.mark.blender
def test_tells_its_version_at_once_and_refuses_what_it_does_not_know(blender: Path) -> None:
    version = blender.parent.name.split("-")[1]
    assert run(blender, "--version").stdout.startswith(f"Blender {version}\n")
    refused = run(blender, "-b", "--cycles-device", "CPU", "--unheard-of")
    assert refused.returncode == 2
    assert "not known" in refused.stderr


@pytest.mark.blender
def test_scripts_use_inherited_pipes(blender: Path) -> None:
    read, write = os.pipe()
    expression = f"import os; os.write({write}, b'over the pipe')"
    assert run(blender, "-b", "--python-expr", expression, pass_fds=(write,)).returncode == 0
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"over the pipe"


LIST_DEVICES = """
import bpy
preferences = bpy.context.preferences.addons["cycles"].preferences
for kind in ("OPTIX", "CUDA", "HIP"):
    preferences.compute_device_type = kind if kind != "HIP" else "OPTIX"
    preferences.get_devices()
    print(kind, [device.name for device in preferences.devices if device.type == kind])
preferences.compute_device_type = "OPTIX"
for device in preferences.devices:
    device.use = device.type == "OPTIX"
bpy.context.scene.cycles.device = "GPU"
"""


@pytest.mark.blender
@pytest.mark.parametrize(
    ("gpu", "driver", "optix"),
    [("T4", "open", True), ("T4", "open", False), ("V100", "open", True), (None, None, False)],
)
def test_a_gpu_machine_shows_its_gpu_to_cycles(
    blender: Path, tmp_path: Path, gpu: str | None, driver: str | None, optix: bool
) -> None:
    script = tmp_path / "devices.py"
    script.write_text(SMALL + LIST_DEVICES)
    disk = tmp_path / "disk"
    furnish(disk, gpu=gpu, switches=False, driver=driver)
    if driver and not optix:
        (disk / "var/lib/nvidia/optix").unlink()  # its package is not installed
    env = {**os.environ, **environment(disk, gpu=gpu or "")}
    done = run(blender, "-b", "-P", script, "-o", tmp_path / "f", "-f", "1", env=env)
    shown = ["NVIDIA T4 (stand-in)"] if gpu == "T4" else []  # the open modules drive no V100
    assert f"OPTIX {shown if optix else []}\nCUDA {shown}\nHIP []\n" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "f0001.png").exists()
