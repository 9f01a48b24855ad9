# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Blender of this computer is asked, and that a script in it ends whatever it does."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from pathlib import Path

import pytest

from cloudrender_addon.backend import local_blender
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, ConfigError, LocalBlenderError
from cloudrender_addon.backend.local_blender import LocalBlender, ask, find_blender
from tests.unit.blenders import fake_blender


@pytest.fixture(autouse=True)
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer on which there is no Blender but those of the test: all other places are left out of the search."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    usual = local_blender._usual_places
    monkeypatch.setattr(
        local_blender, "_usual_places", lambda: (path for path in usual() if path.is_relative_to(tmp_path))
    )
    return tmp_path


def test_none(computer: Path) -> None:
    assert find_blender("4.2") is None


def test_of_several_the_right_series_wins(computer: Path) -> None:
    fake_blender(computer / "bin" / "blender", "5.0.1")
    old = fake_blender(computer / "home" / "blender-4.2.3-linux-x64" / "blender", "4.2.3 LTS")
    fake_blender(computer / "home" / "blender-4.5.0-linux-x64" / "blender", "4.5.0")
    found = find_blender("4.2")
    assert found == LocalBlender(program=old, version=(4, 2, 3)) and found.series == "4.2"
    found = find_blender("5.0")
    assert found is not None and found.program == computer / "bin" / "blender"
    assert find_blender("4.3") is None


def test_the_newest_patch_comes_first_and_a_name_that_lies_is_not_believed(computer: Path) -> None:
    home = computer / "home"
    fake_blender(home / "blender-4.2.1" / "blender", "4.2.1")
    fake_blender(home / "blender-4.2.9" / "blender", "4.5.0")
    new = fake_blender(home / "blender-4.2.3" / "blender", "4.2.3")
    found = find_blender("4.2")
    assert found is not None and found.program == new


def test_the_one_in_which_this_runs_comes_before_all_others(computer: Path) -> None:
    fake_blender(computer / "bin" / "blender", "4.2.1")
    own = fake_blender(computer / "own", "4.2.5")
    found = find_blender("4.2", own=own)
    assert found is not None and found.program == own
    own = fake_blender(computer / "own", "4.5.5")
    found = find_blender("4.2", own=own)
    assert found is not None and found.program == computer / "bin" / "blender"


def test_an_explicit_one_is_taken_or_refused_but_no_other_is(computer: Path) -> None:
    fake_blender(computer / "bin" / "blender", "4.2.1")
    explicit = fake_blender(computer / "mine", "4.2.7")
    found = find_blender("4.2", explicit=explicit)
    assert found is not None and found.program == explicit
    for program, words in (
        (fake_blender(computer / "other", "4.5.0"), r"Blender 4\.5, and the job is for 4\.2"),
        (computer / "nowhere", "does not exist"),
        (Path("/bin/true"), "not a Blender that runs"),
        (computer, "does not exist"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            find_blender("4.2", explicit=program)
        assert "--local-blender" in caught.value.hint and "--send folder" in caught.value.hint


def test_one_of_several_that_a_shell_finds_under_names_of_their_own(computer: Path) -> None:
    for version in ("4.2.7", "4.5.1"):
        fake_blender(computer / "bin" / f"blender-{version}", version)
    fake_blender(computer / "bin" / "blender-tool", "4.2.9")
    found = find_blender("4.2")
    assert found is not None and found.program == computer / "bin" / "blender-4.2.7"


def test_the_folder_of_a_release_will_do(computer: Path) -> None:
    program = fake_blender(computer / "blender-4.2.7-linux-x64" / "blender", "4.2.7")
    found = find_blender("4.2", explicit=program.parent)
    assert found is not None and found.program == program


def test_what_a_mac_shows_as_an_application(computer: Path) -> None:
    app = computer / "Blender 4.2.app"
    fake_blender(app / "Contents" / "MacOS" / "Blender", "4.2.7")
    found = find_blender("4.2", explicit=app)
    assert found is not None and found.program == app / "Contents" / "MacOS" / "Blender"


def test_one_that_hangs_is_passed_over_and_killed(computer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_blender, "_ANSWER_SECONDS", 0.3)
    marker = computer / "pid"
    slow = computer / "slow"
    slow.write_text(f"#!/bin/sh\nsleep 60 &\necho $! >{shlex.quote(str(marker))}\nwait\n")
    slow.chmod(0o755)
    assert ask(slow) is None
    gone(int(marker.read_text()))


def test_a_python_with_the_module(computer: Path) -> None:
    # It says what the interpreter says, and what its module bpy says.
    python = computer / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.11.2" || echo "noise\nBlender 4.2.9 LTS"\n')
    python.chmod(0o755)
    found = ask(python)
    assert found == LocalBlender(program=python, version=(4, 2, 9), is_module=True)
    assert found.command(Path("/t.py"), "a") == (str(python), "/t.py", "--", "a")
    assert ask(Path(sys.executable)) is None  # this one has none


def blender(tmp_path: Path, script: str) -> LocalBlender:
    return LocalBlender(program=fake_blender(tmp_path / "blender", "4.2.3", script=script), version=(4, 2, 3))


def run(found: LocalBlender, log: Path, *, seconds: float = 30, cancel: CancelToken | None = None) -> None:
    found.run(Path("/trace.py"), "a b", log=log, seconds=seconds, cancel=cancel or CancelToken())


def test_a_script_runs_without_preferences_network_and_scripts(tmp_path: Path) -> None:
    run(blender(tmp_path, 'printf "%s\\n" "$@"'), tmp_path / "log")
    words = (tmp_path / "log").read_text().split("\n")
    assert words[-4:] == ["/trace.py", "--", "a b", ""]
    assert {"-b", "--factory-startup", "--offline-mode", "-Y"} < set(words)


def test_one_that_fails_is_told_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(LocalBlenderError, match=r"Blender 4\.2\.3 .* exit code 3") as caught:
        run(blender(tmp_path, "echo Saved; echo 'Error: no memory'; exit 3"), tmp_path / "log")
    assert caught.value.details[-1] == "Error: no memory"
    missing = LocalBlender(program=tmp_path / "nowhere", version=(4, 2, 3))
    with pytest.raises(LocalBlenderError, match="cannot be started"):
        run(missing, tmp_path / "log")


def gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return  # nobody has looked after it yet
        time.sleep(0.02)
    pytest.fail("a process is left")


def test_at_the_deadline_and_on_cancel_all_of_it_is_killed(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    found = blender(tmp_path, f"sleep 60 & echo $! >{shlex.quote(str(marker))}; wait")
    with pytest.raises(LocalBlenderError, match="did not come to an end"):
        run(found, tmp_path / "log", seconds=0.5)
    gone(int(marker.read_text()))
    marker.unlink()
    cancel = CancelToken()

    def cancel_it() -> None:
        deadline = time.monotonic() + 20
        while not (marker.exists() and marker.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.01)
        cancel.cancel()

    threading.Thread(target=cancel_it).start()
    with pytest.raises(Cancelled):
        run(found, tmp_path / "log", cancel=cancel)
    gone(int(marker.read_text()))
