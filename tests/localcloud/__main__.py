# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.localcloud run [--fault SPEC]... [--keep] [--boot-delay S] -- COMMAND…

Run COMMAND against a fresh stand-in cloud, tell on stderr what became of every machine, and exit with COMMAND's
code, or with 1 if anything is left in the account.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.localcloud import report, spec
from tests.localcloud.cloud import Cloud
from tests.localcloud.mirror import installed_blenders, launcher_scripts
from tests.localcloud.rehearsal import missing_blender


def main(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    if missing := missing_blender(options.command, installed=installed_blenders()):
        _say(missing)
        return 1
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(Cloud(boot_delay=options.boot_delay, keep=options.keep))
        for fault in options.fault:
            fault(cloud)
        code = _run(cloud, options)
        left = cloud.leftovers(allowed=options.allow)
        for line in report.lines(cloud.machines, left):
            _say(line)
        if options.keep:
            _stay(cloud)
    return 1 if left else code


def _run(cloud: Cloud, options: argparse.Namespace) -> int:
    """Run the command, and what is to follow it if it is to be killed."""
    if options.kill_client_after is None:
        return _run_one(cloud, options.command)
    victim: list[subprocess.Popen] = []
    cloud.on_frames(options.kill_client_after, lambda _: victim[0].kill())
    code = _run_one(cloud, options.command, started=victim)
    if code != -signal.SIGKILL:
        _say(f"the client ended by itself, with {code}, before it could be killed")
        return code or 1
    _say(f"the client was killed; now: {options.then}")
    return _run_one(cloud, shlex.split(options.then)) if options.then else 0


def _run_one(cloud: Cloud, command: list[str], *, started: list[subprocess.Popen] | None = None) -> int:
    """Run a command to its end; what this process is told by signal, the command is told."""
    try:
        child = subprocess.Popen(command, env=_with_blenders(cloud))
    except OSError as error:
        _say(f"{command[0]} cannot be run: {error.strerror}")
        return 127 if isinstance(error, FileNotFoundError) else 126  # as a shell does
    if started is not None:
        started.append(child)
    with _passing_on(child):
        code = child.wait()
    return code if started is not None or code >= 0 else 128 - code


def _with_blenders(cloud: Cloud) -> dict[str, str]:
    """Return an environment with a Blender of each version that was fetched, as an artist's computer has them."""
    folder = Path(cloud.folder) / "blenders"
    folder.mkdir(exist_ok=True)
    for version, script in launcher_scripts(installed_blenders()).items():
        program = folder / f"blender-{version}"
        program.write_text(script, encoding="utf-8")
        program.chmod(0o755)
    environ = cloud.environ()
    return {**environ, "PATH": f"{environ.get('PATH', os.defpath)}{os.pathsep}{folder}"}


@contextlib.contextmanager
def _passing_on(child: subprocess.Popen) -> Iterator[None]:
    """Wait for the child through Ctrl-C, which the terminal sends to it as well; pass on the other signals."""

    def pass_on(number: int, _: object) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    # A handler and not SIG_IGN, which the child would inherit.
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay(cloud: Cloud) -> None:
    """Leave everything up until Ctrl-C."""
    for name, value in cloud.env().items():
        print(f"export {name}={shlex.quote(value)}")
    _say(f"still up, in {cloud.folder}; Ctrl-C ends it")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.localcloud",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="run")
    run = commands.add_parser(
        "run",
        help="run a command against a fresh account",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"faults (docs/STANDIN.md):\n{spec.describe()}",
    )
    run.add_argument("--fault", type=_fault, action="append", default=[], metavar="SPEC", help="see below")
    run.add_argument("--keep", action="store_true", help="leave it up until Ctrl-C, and the folders for good")
    run.add_argument(
        "--allow", action="append", default=[], choices=["image"], help="what may be left: images, with their snapshots"
    )
    run.add_argument("--boot-delay", type=float, default=0.0, metavar="S", help="seconds a machine stays pending")
    run.add_argument("--kill-client-after", type=int, metavar="FRAMES", help="SIGKILL COMMAND after that many frames")
    run.add_argument("--then", metavar="COMMAND", help="what to run after the kill, as one argument")
    run.add_argument("command", nargs="+", metavar="COMMAND")
    return parser


def _fault(text: str) -> spec.Apply:
    try:
        return spec.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _say(line: str) -> None:
    print(f"stand-in: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
