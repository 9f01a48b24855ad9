# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender with a window: started with clean user folders, asked and told things through the puppet in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.gui.display import HEIGHT, WIDTH, Display, end, in_root
from tests.localcloud.processes import marked

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev" / "blender-gui"
_PUPPET = Path(__file__).with_name("puppet.py")
_START_SECONDS = 120.0  # 4 s usually; 30 s and more while the shaders are compiled for the first time
_ANSWER_SECONDS = 60.0


class PuppetError(Exception):
    """What was executed in Blender raised, or Blender is gone."""


class BlenderWindow:
    """Blender in user folders of its own; may be started and ended several times in them.

    `folder` becomes the user's home, with Blender's resources in it; `variables` go into Blender's environment.
    """

    def __init__(self, display: Display, *, folder: Path, variables: Mapping[str, str]) -> None:
        self.home = folder / "home"
        self.resources = folder / "resources"
        self._name = f"\0cloudrender-puppet-{uuid.uuid4().hex}"  # not a file: its path might be too long for a socket
        self._log = folder / "blender.log"
        self._process: subprocess.Popen[bytes] | None = None
        runtime = folder / "run"
        shaders = CACHE / "mesa"
        for made in (self.home, self.resources, runtime, shaders):  # without resources/ Blender takes ~/.config
            made.mkdir(parents=True, exist_ok=True)
        runtime.chmod(0o700)
        self._mark = f"BLENDER_USER_RESOURCES={self.resources}"
        self._variables = {
            **variables,
            "BLENDER_USER_RESOURCES": str(self.resources),
            "DISPLAY": display.name,
            "HOME": str(self.home),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "MESA_SHADER_CACHE_DIR": str(shaders),
            "PUPPET_NAME": self._name[1:],
            "XDG_RUNTIME_DIR": str(runtime),
        }

    @property
    def log(self) -> str:
        """Everything Blender printed since it was started last."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment that Blender is started in."""
        return self._variables

    @property
    def running(self) -> bool:
        """Whether Blender runs."""
        return self._process is not None and self._process.poll() is None

    def _exit_code(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return None if self._process is None else self._process.wait(1.0)
        return None

    def install(self, archive: Path) -> None:
        """Install and enable an extension by Blender's own command. Raises PuppetError with what Blender said."""
        command = ["blender", "--command", "extension", "install-file", "-r", "user_default", "-e", str(archive)]
        whole = in_root(command, self._variables)
        try:
            subprocess.run(whole, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        except subprocess.CalledProcessError as error:
            raise PuppetError(f"the extension was not installed: {error.stdout}") from error

    def start(self, *arguments: str) -> None:
        """Start Blender, with these arguments (a .blend), and wait for its window. Raises PuppetError."""
        self.end()
        geometry = ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)]
        command = ["blender", *geometry, "-noaudio", "--python-exit-code", "3", *arguments, "-P", str(_PUPPET)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                in_root(command, self._variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                raise PuppetError(f"no window: {self.log}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(self._name) == 0

    def evaluate(self, source: str, *, seconds: float = _ANSWER_SECONDS) -> Any:
        """Execute the source on Blender's main thread and return the value of its last expression.

        Raises PuppetError with the traceback, and when Blender does not answer for that many seconds.
        """
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(seconds)
                connection.connect(self._name)
                connection.sendall(source.encode())
                connection.shutdown(socket.SHUT_WR)
                data = b"".join(iter(lambda: connection.recv(65536), b""))
            answer = json.loads(data)
        except (OSError, ValueError) as error:
            raise PuppetError(
                f"Blender does not answer ({error!r}, exit code {self._exit_code()}): {self.log}"
            ) from error
        if answer["error"]:
            raise PuppetError(answer["error"])
        return answer["value"]

    def wait_for_end(self, *, seconds: float = 20.0) -> int:
        """Wait until Blender has quit and return its exit code. Raises subprocess.TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End Blender as a crash does: at once, whatever it was doing."""
        assert self._process is not None
        self._process.kill()
        self.wait_for_end()

    def end(self) -> None:
        """End Blender if it runs; what it started runs on."""
        if self._process is not None:
            end(self._process)

    def processes(self) -> set[int]:
        """Return the processes that were started from these user folders and still run."""
        return marked(variable=self._mark, argument=self._mark)

    def close(self) -> None:
        """End Blender and whatever it left running."""
        self.end()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
