# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of `cloudrender`, and which flags each takes."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from ..backend.errors import UsageError
from .flags import (
    add_account,
    add_machine,
    add_purchase,
    add_sending,
    add_type,
    frame_number,
    make_parser,
    vcpu_count,
)
from .image_arguments import image_parser
from .usage import Parser

COMMANDS = (
    "render",
    "jobs",
    "attach",
    "fetch",
    "cancel",
    "clean-up",
    "check-setup",
    "check-snapshot",
    "quota",
    "policy",
    "image",
)

_EPILOG = """\
Other commands, each with --help:  cloudrender jobs | attach JOB | fetch JOB |
cancel JOB | clean-up | check-setup | check-snapshot | quota | policy |
image build, list, test AMI, copy AMI, share AMI, delete AMI
A file that is named like a command:  cloudrender ./jobs
Exit codes:  0 done, 1 failed, 2 wrong usage, 130 cancelled
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; `command` is one of COMMANDS. Raises `UsageError`; only --help ends the process."""
    command = argv[0] if argv and argv[0] in COMMANDS else "render"
    words = argv[1:] if argv and argv[0] in COMMANDS else argv
    try:
        namespace = _PARSERS[command]().parse_all(words)
    except UsageError:
        if command == "render":  # of what came after a misspelt command nothing was understood
            check_no_command(words[0], Path.cwd())
        raise
    if command == "render" and not namespace.animation and (namespace.start, namespace.end) != (None, None):
        raise UsageError("-s and -e choose the range of an animation", hint="Add -a, or use -f for one frame")
    namespace.command = command
    return namespace


def check_no_command(name: str, here: Path) -> None:
    """Raise `UsageError` if what stands for a file is none that is there, and may be meant as a command."""
    if (here / name).exists():
        return
    if meant := difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.7):
        raise UsageError(
            f"There is no file {name}", hint=f"If you mean the command, write it first: cloudrender {meant[0]} …"
        )
    if name.isalpha():
        raise UsageError(
            f"There is no command {name}, and no such file", hint="`cloudrender --help` tells what there is"
        )


def _render() -> Parser:
    parser = make_parser(
        "", "Render a .blend on an EC2 machine in your own AWS account; frames arrive in out/.", epilog=_EPILOG
    )
    parser.add_argument("blend", nargs="?", metavar="BLEND", help="file to render (default: the one in this folder)")
    add_type(parser)
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument("-f", dest="frame", type=frame_number, metavar="FRAME", help="render one frame")
    frames.add_argument("-a", dest="animation", action="store_true", help="render the animation")
    parser.add_argument(
        "-s", dest="start", type=frame_number, metavar="START", help="first frame, with -a (default: scene's)"
    )
    parser.add_argument(
        "-e", dest="end", type=frame_number, metavar="END", help="last frame, with -a (default: scene's)"
    )
    parser.add_argument("-o", dest="output", metavar="DIR", default="out", help="where the frames go (default: out)")
    parser.add_argument(
        "--resume", action="store_true", help="render only the frames that are not in the output folder yet"
    )
    add_sending(parser)
    parser.add_argument(
        "-y", "--yes", action="store_true", help="go on without asking: large content, missing files, and the like"
    )
    parser.add_argument(
        "--enable-autoexec", action="store_true", help="let Python scripts and drivers in the .blend run on the machine"
    )
    parser.add_argument(
        "--blender", metavar="VERSION", help="Blender to render with (default: the file's, newest patch)"
    )
    add_account(parser)
    machine = add_machine(parser)
    machine.add_argument(
        "--wait-minutes", metavar="MIN", help="go on asking while AWS has no machine to give (default 10)"
    )
    machine.add_argument("--max-launches", metavar="N", help="machines a job may have, one after another (default 4)")
    machine.add_argument("--max-hours", metavar="H", help="end the job after so many hours (default 8)")
    machine.add_argument(
        "--keep",
        "--keep-minutes",
        dest="keep_minutes",
        metavar="MINUTES",
        help="leave the machine up for so long after the job: for the next one, or to log in to it (default 0)",
    )
    machine.add_argument(
        "--fresh-machine",
        action="store_const",
        const=True,
        help="rent a machine, though an earlier job keeps one that would do (--keep)",
    )
    machine.add_argument("--max-cost", metavar="USD", help='end the job when it has cost so much (default: "none")')
    return parser


def _jobs() -> Parser:
    parser = make_parser("jobs", "List the jobs started from this computer, newest last.")
    parser.add_argument(
        "--timing", action="store_true", help="tell how long each machine took from its launch to its first frame"
    )
    return parser


def _job_command(name: str, description: str) -> Parser:
    parser = make_parser(name, description)
    parser.add_argument("job", metavar="JOB", help="the job's name or the beginning of it (see: cloudrender jobs)")
    return parser


def _attach() -> Parser:
    parser = _job_command("attach", "Go on with a job: watch it, fetch its frames, render what is missing.")
    parser.add_argument(
        "--hand-over", action="store_true", help="let go of the job as soon as Blender wants to go on with it"
    )
    return parser


def _clean_up() -> Parser:
    parser = make_parser("clean-up", "List what cloudrender has left in the account, and end it after a yes.")
    add_account(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="end it without asking")
    parser.add_argument(
        "--all-regions",
        action="store_true",
        help="look in every region of the account (default: your region, and those this computer ever rented in)",
    )
    return parser


def _check_setup() -> Parser:
    parser = make_parser(
        "check-setup", "Check all that a render on AWS needs, before money is spent; nothing is changed."
    )
    add_type(parser)
    add_account(parser)
    add_machine(parser)
    return parser


def _check_snapshot() -> Parser:
    parser = make_parser(
        "check-snapshot",
        "Render a small frame of what would be sent beside the same frame of the file, with the Blender of this "
        "computer; nothing is rented. The exit code is 0 if they are identical.",
    )
    parser.add_argument("blend", nargs="?", metavar="BLEND", help="file to check (default: the one in this folder)")
    parser.add_argument(
        "-o", dest="output", metavar="DIR", default="out/check", help="where the pictures go (default: out/check)"
    )
    add_sending(parser)
    return parser


def _quota() -> Parser:
    parser = make_parser("quota", "Show how many vCPUs your account may rent of such machines; ask AWS for more.")
    add_type(parser)
    parser.add_argument(
        "--request",
        metavar="VCPUS",
        nargs="?",
        type=vcpu_count,
        const=0,
        help="ask AWS for a larger quota, after a yes (default: what two such machines need, at least 8)",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="ask AWS without asking you")
    add_account(parser)
    add_purchase(parser)
    return parser


def _policy() -> Parser:
    parser = make_parser(
        "policy", "Print the IAM policy with the rights that Cloudrender needs, to attach to your AWS user."
    )
    parser.add_argument(
        "--images", action="store_true", help="the policy that making machine images needs, besides the other one"
    )
    return parser


_PARSERS: dict[str, Callable[[], Parser]] = {
    "image": image_parser,
    "render": _render,
    "jobs": _jobs,
    "attach": _attach,
    "fetch": lambda: _job_command("fetch", "Fetch the frames finished so far, without taking part in the job."),
    "cancel": lambda: _job_command("cancel", "End a job and its machine; finished frames stay in the output folder."),
    "clean-up": _clean_up,
    "check-setup": _check_setup,
    "check-snapshot": _check_snapshot,
    "quota": _quota,
    "policy": _policy,
}
