# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender -b --command cloudrender …` and scripts in the Blender application: exit codes, and what is said."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.cloud.command import DATA, wait_for
from tests.gui.blender_window import BlenderWindow
from tests.gui.display import Display, in_root
from tests.localcloud.cloud import Cloud

_SECONDS = 90.0


@dataclass
class Shell:
    """A shell in the folder of a project, from which Blender is started without a window."""

    blender: BlenderWindow
    project: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = in_root(["blender", *words], self.blender.variables)
        return subprocess.Popen(
            command,
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str]:
        """Return the exit code and what was said."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=_SECONDS)
        return process.returncode, said

    def frames(self, folder: str = "out") -> list[str]:
        """Return the names of the pictures there, each of which can be read."""
        found = sorted((self.project / folder).glob("*.png"))
        for path in found:
            Image.open(path).load()
        return [path.name for path in found]


@pytest.fixture
def shell(cloud: Cloud, display: Display, tmp_path: Path, extension: Path) -> Iterator[Shell]:
    variables = {name: value for name, value in cloud.env().items() if name != "CLOUDRENDER_HOME"}
    blender = BlenderWindow(display, folder=tmp_path / "user", variables=variables)
    blender.install(extension)
    project = tmp_path / "Robot Film"
    project.mkdir()
    (project / "robot.blend").write_bytes((DATA / "tiny-4.2.blend").read_bytes())
    yield Shell(blender, project)
    blender.close()


COMMAND = ("-b", "--online-mode", "--command", "cloudrender")


def test_the_command_renders_and_tells_of_its_jobs(cloud: Cloud, shell: Shell) -> None:
    code, said = shell.run("robot.blend", *COMMAND, "-a", "-s", "1", "-e", "2", "-o", "Frames here")
    assert code == 0 and "Left running: nothing" in said, said
    assert shell.frames("Frames here") == ["0001.png", "0002.png"]
    code, said = shell.run("-b", "--offline-mode", "--command", "cloudrender", "jobs")
    assert code == 0 and "succeeded" in said and "2/2 frames" in said, said


def test_this_very_blender_is_asked_what_a_file_uses(cloud: Cloud, shell: Shell, tmp_path: Path) -> None:
    image = tmp_path / "elsewhere" / "wood.png"
    image.parent.mkdir()
    Image.new("RGB", (8, 8), "blue").save(image)
    # Saved by this Blender, it is to be rendered by one of its series.
    script = (
        "import bpy\n"
        f"image = bpy.data.images.load({str(image)!r})\n"
        "bpy.data.materials['Material'].node_tree.nodes.new('ShaderNodeTexImage').image = image\n"
        "bpy.ops.wm.save_mainfile()\n"
    )
    code, said = shell.run("-b", "robot.blend", "--python-exit-code", "3", "--python-expr", script)
    assert code == 0, said
    (shell.project / "unused.bin").write_bytes(b"x")
    code, said = shell.run("robot.blend", *COMMAND, "-f", "1")
    assert code == 0 and shell.frames() == ["0001.png"], said
    assert "What is sent: 2 files, " in said and f"Sent from outside the project folder: {image}." in said, said


def test_what_cannot_be_done_is_told_by_the_exit_code(cloud: Cloud, shell: Shell) -> None:
    offline = ("-b", "--offline-mode", "--command", "cloudrender")
    code, said = shell.run("robot.blend", *offline, "-a")
    assert code == 1 and "cloudrender: Blender is offline\n  → Start it with --online-mode" in said, said
    code, said = shell.run(*offline, "--help")
    assert code == 0 and "-f FRAME" in said, said
    code, said = shell.run("robot.blend", *COMMAND, "--nonsense")
    assert code == 2 and "cloudrender: There is no flag --nonsense\n  → " in said and "usage:" not in said, said
    # There is another file, which nobody asked for.
    code, said = shell.run("no such.blend", *COMMAND, "-f", "1")
    assert code == 1 and "cloudrender: " in said and "no such.blend" in said.partition("cloudrender: ")[2], said
    (shell.project / "robot.blend").unlink()
    code, said = shell.run(*COMMAND, "-f", "1")
    assert code == 1 and "cloudrender: There is no .blend file in " in said and "\n  → " in said, said
    assert not cloud.machines


def test_ctrl_c_ends_the_command_and_its_machine(cloud: Cloud, shell: Shell) -> None:
    process = shell.start("robot.blend", *COMMAND, "-a", "-e", "4000")
    wait_for(lambda: len(shell.frames()) >= 2, "two frames")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=_SECONDS)
    assert process.returncode == 130 and "Left running: nothing" in said and "Traceback" not in said, said


def test_a_script_renders_twice_in_the_application(cloud: Cloud, shell: Shell) -> None:
    script = (
        "import bpy\n"
        "bpy.context.scene.cloudrender.output = '//tried/'\n"
        "for frame in (2, 3):\n"
        "    bpy.context.scene.frame_set(frame)\n"
        "    assert bpy.ops.cloudrender.render() == {'FINISHED'}\n"
        "assert bpy.data.filepath.endswith('robot.blend')\n"
    )
    words = ("-b", "robot.blend", "--online-mode", "--python-exit-code", "3", "--python-expr", script)
    code, said = shell.run(*words)
    assert code == 0 and "Traceback" not in said, said
    assert shell.frames("tried/image") == ["0002.png", "0003.png"] and len(cloud.machines) == 2
    assert not shell.blender.processes(), "nothing goes on in the background"
