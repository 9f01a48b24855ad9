# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine's folder with the real agent in it and a `blender` whose behaviour a test writes down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloudrender_addon.instance import agent_files
from tests.unit.small_png import png

# Speaks render.py's side of the pipes. `behaviour.json`: {"load": [STEP, …], "frames": {"3": [STEP, …]}}, one step
# an attempt, "ok" when they are used up. Steps: "ok", "hold" (until the file `go` exists), "error TEXT", "exit CODE",
# "kill SIGNAL", "cut" (the image is), "large BYTES", "seconds S", "sample" (is told of), "reply JSON" (for the load).
_FAKE_BLENDER = r"""#!{python}
import json, os, pathlib, signal, sys, time
here = pathlib.Path(__file__).resolve().parent
if sys.argv[1:] == ["--version"]:
    print("Blender 4.2.23 LTS"); sys.exit()
(here / "arguments.json").write_text(json.dumps(sys.argv[1:]))
(here / "pids").open("a").write(f"{{os.getpid()}}\n")
commands = os.fdopen(int(os.environ["CLOUDRENDER_COMMANDS_FD"]), "r")
replies = os.fdopen(int(os.environ["CLOUDRENDER_REPLIES_FD"]), "w")
work = pathlib.Path(sys.argv[-1])
behaviour = json.loads((here / "behaviour.json").read_text())
def say(**message):
    replies.write(json.dumps(message) + "\n"); replies.flush()
def attempt(name, steps):
    log = here / f"attempts-{{name}}"
    with log.open("a") as f: f.write("x")
    n = log.stat().st_size - 1
    return steps[n] if n < len(steps) else "ok"
def act(step):
    verb, _, rest = step.partition(" ")
    print("doing", step, flush=True)
    if verb == "exit": os._exit(int(rest))
    if verb == "kill": os.kill(os.getpid(), getattr(signal, rest))
    if verb == "hold":
        while not (here / "go").exists(): time.sleep(0.02)
    return verb, rest
verb, rest = act(attempt("load", behaviour.get("load", [])))
if verb == "reply":
    say(**json.loads(rest)); sys.exit()
say(reply="scene", engine="CYCLES", device="CPU", devices=[], format="PNG", extension=".png", notes=[])
for line in iter(commands.readline, ""):
    frame = int(line)
    verb, rest = act(attempt(frame, behaviour.get("frames", {{}}).get(str(frame), [])))
    if verb == "sample":
        say(reply="first_sample")
    if verb == "error":
        say(reply="frame_error", frame=frame, message=rest); continue
    folder = work / str(frame); folder.mkdir()
    name = f"{{frame:04d}}.png"
    with (folder / name).open("wb") as f:
        f.write(bytes.fromhex("{image}")[:-1 if verb == "cut" else None])
        if verb == "large": f.truncate(int(rest))
    say(reply="frame", frame=frame, seconds=float(rest) if verb == "seconds" else 0.01, files=[name])
"""


def wait_until(condition: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Return the first true answer of `condition`, asked every 20 ms; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer


class Rig:
    """The agent as it is on a machine: files shipped, plan written, and started by its command line."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cloudrender"
        self.bin = folder / "bin"
        for path in (self.root / "agent", self.root / "project", self.bin):
            path.mkdir(parents=True)
        for name, content in agent_files().items():
            (self.root / "agent" / name).write_bytes(content)
        (self.root / "project" / "a scene ü.blend").write_bytes(b"BLENDER")
        (self.root / "lease_seconds").write_text("900\n")
        blender = self.bin / "blender"
        blender.write_text(_FAKE_BLENDER.format(python=sys.executable, image=png().hex()))
        blender.chmod(0o755)
        self.behave()
        self.environment = {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "CR_PREFIX": str(folder / "system"),  # whatever GPU this computer has is none of the agent's
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1",  # refused at once: no notice
        }

    def behave(self, *, load: list[str] | None = None, frames: dict[int, list[str]] | None = None) -> None:
        """Say what the fake Blender does."""
        said = {"load": load or [], "frames": {str(frame): steps for frame, steps in (frames or {}).items()}}
        (self.bin / "behaviour.json").write_text(json.dumps(said))

    def release(self) -> None:
        """Let a frame on "hold" end."""
        (self.bin / "go").touch()

    def plan(self, *frames: int, **fields: Any) -> None:
        """Write the plan."""
        defaults = {"job_id": "j", "blend": "a scene ü.blend", "blender": "4.2", "mirror": "http://127.0.0.1:1"}
        plan = {**defaults, "gpu": False, "autoexec": False, "move_seconds": None, "frames": frames, **fields}
        (self.root / "plan.json").write_text(json.dumps(plan))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run one command of the agent to its end."""
        return subprocess.run(
            self._command(*arguments), env=self.environment, capture_output=True, timeout=60, check=False
        )

    def popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run one command of the agent and read along."""
        return subprocess.Popen(self._command(*arguments), env=self.environment, stdout=subprocess.PIPE)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.root / "agent" / "agent.py"), *arguments]

    def start(self) -> None:
        """Start the agent."""
        done = self.run("start")
        assert done.returncode == 0, done.stderr

    def events(self) -> list[dict[str, Any]]:
        """Return what the agent has said so far."""
        log = self.root / "events.jsonl"
        return [json.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the events of one name."""
        return [event for event in self.events() if event["event"] == name]

    def end(self) -> dict[str, Any]:
        """Wait for the agent to be gone and return its last event."""
        wait_until(lambda: self.events() and not self.pids())
        return self.events()[-1]

    def attempts(self, frame: int) -> int:
        """How often Blender was asked for a frame."""
        log = self.bin / f"attempts-{frame}"
        return log.stat().st_size if log.exists() else 0

    def pids(self) -> list[int]:
        """Return the processes that run the agent."""
        return _pids_of(str(self.root / "agent" / "agent.py"), "start")

    def blenders(self) -> list[int]:
        """Return the Blenders that are alive."""
        return _pids_of(str(self.bin / "blender"))

    def close(self) -> None:
        """End what the test left."""
        for pid in [*self.pids(), *self.blenders()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _pids_of(*arguments: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if all(argument in words for argument in arguments):
            found.append(int(entry.name))
    return found
