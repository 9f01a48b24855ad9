# SPDX-License-Identifier: GPL-3.0-or-later
"""The flags of the `cloudrender` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .. import __version__
from ..backend.settings import PURCHASES

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

_LAST_FRAME = 1_048_574
"""Blender knows no frames beyond it, nor below its negative (MAXFRAME, MINAFRAME in its DNA_scene_types.h)."""

_EPILOG = """\
Other commands:  cloudrender jobs | attach JOB | fetch JOB | cancel JOB | clean-up | check-setup | check-snapshot
| quota | policy | image build, list, test AMI, copy AMI, delete AMI (each with --help).
A file that is named like a command: cloudrender ./jobs
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; `command` is one of COMMANDS. Wrong usage ends the process with exit code 2."""
    command = argv[0] if argv and argv[0] in COMMANDS else "render"
    words = argv[1:] if argv and argv[0] in COMMANDS else argv
    parser = _PARSERS[command]()
    namespace = parser.parse_args(words)
    if command == "render" and not namespace.animation and (namespace.start, namespace.end) != (None, None):
        parser.error("-s and -e choose the range of an animation: add -a, or use -f for one frame")
    namespace.command = command
    return namespace


def _parser(name: str, description: str, *, epilog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"cloudrender {name}".strip(),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cloudrender {__version__}")
    _add_output(parser, default=False)
    return parser


def _add_output(parser: argparse.ArgumentParser, *, default: object) -> None:
    for names, text in (
        (("-v", "--verbose"), "show the log, and tracebacks of errors"),
        (("--json",), "write one JSON object a line, for programs"),
    ):
        parser.add_argument(*names, action="store_true", default=default, help=text)


def _add_account(parser: argparse.ArgumentParser) -> None:
    account = parser.add_argument_group("account (also in the configuration file, and as CLOUDRENDER_… variables)")
    account.add_argument("--profile", metavar="NAME", help="profile of your AWS configuration")
    account.add_argument(
        "--region",
        metavar="REGION",
        help="AWS region, such as eu-central-1; of several (a,b) the next where there is none",
    )


def _add_type(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        dest="instance_type",
        metavar="TYPE[,TYPE]",
        help="machine type (default g4dn.xlarge), or several: any will do",
    )


def _add_purchase(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    machine = parser.add_argument_group("machine (also in the configuration file, and as CLOUDRENDER_… variables)")
    machine.add_argument(
        "--purchase", metavar="HOW", help=f"how to buy the machine: {', '.join(PURCHASES)} (default {PURCHASES[0]})"
    )
    return machine


def _add_sending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--send",
        metavar="WHAT",
        help='what is sent: "used", the files that the .blend uses (default), or "folder", all of the project folder',
    )
    parser.add_argument(
        "--local-blender", metavar="PATH", help="Blender of this computer to ask what is used (default: is looked for)"
    )


def _add_machine(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    machine = _add_purchase(parser)
    machine.add_argument("--image", metavar="AMI", help='machine image: "auto", "public" or an AMI id')
    machine.add_argument("--ssh-user", metavar="USER", help="user to log in as (default ubuntu)")
    machine.add_argument("--ssh-port", metavar="PORT", help="SSH port of the machine (default 22)")
    machine.add_argument("--subnet", metavar="ID", help="subnet to start in (default: the default VPC)")
    machine.add_argument(
        "--security-group", metavar="ID", help="security group to use as it is (default: one made for the job)"
    )
    return machine


def _render() -> argparse.ArgumentParser:
    parser = _parser(
        "", "Render a .blend on an EC2 machine in your own AWS account; frames arrive in out/.", epilog=_EPILOG
    )
    parser.add_argument("blend", nargs="?", metavar="BLEND", help="file to render (default: the one in this folder)")
    _add_type(parser)
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument("-f", dest="frame", type=_frame, metavar="FRAME", help="render one frame")
    frames.add_argument("-a", dest="animation", action="store_true", help="render the animation")
    parser.add_argument(
        "-s", dest="start", type=_frame, metavar="START", help="first frame, with -a (default: scene's)"
    )
    parser.add_argument("-e", dest="end", type=_frame, metavar="END", help="last frame, with -a (default: scene's)")
    parser.add_argument("-o", dest="output", metavar="DIR", default="out", help="where the frames go (default: out)")
    parser.add_argument(
        "--resume", action="store_true", help="render only the frames that are not in the output folder yet"
    )
    _add_sending(parser)
    parser.add_argument(
        "-y", "--yes", action="store_true", help="go on without asking: large content, missing files, and the like"
    )
    parser.add_argument(
        "--enable-autoexec", action="store_true", help="let Python scripts and drivers in the .blend run on the machine"
    )
    parser.add_argument(
        "--blender", metavar="VERSION", help="Blender to render with (default: the file's, newest patch)"
    )
    _add_account(parser)
    machine = _add_machine(parser)
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


def _jobs() -> argparse.ArgumentParser:
    parser = _parser("jobs", "List the jobs started from this computer, newest last.")
    parser.add_argument(
        "--timing", action="store_true", help="tell how long each machine took from its launch to its first frame"
    )
    return parser


def _job_command(name: str, description: str) -> argparse.ArgumentParser:
    parser = _parser(name, description)
    parser.add_argument("job", metavar="JOB", help="the job's name or the beginning of it (see: cloudrender jobs)")
    return parser


def _attach() -> argparse.ArgumentParser:
    parser = _job_command("attach", "Go on with a job: watch it, fetch its frames, render what is missing.")
    parser.add_argument(
        "--hand-over", action="store_true", help="let go of the job as soon as Blender wants to go on with it"
    )
    return parser


def _clean_up() -> argparse.ArgumentParser:
    parser = _parser("clean-up", "List what cloudrender has left in the account, and end it after a yes.")
    _add_account(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="end it without asking")
    parser.add_argument(
        "--all-regions",
        action="store_true",
        help="look in every region of the account (default: your region, and those this computer ever rented in)",
    )
    return parser


def _check_setup() -> argparse.ArgumentParser:
    parser = _parser("check-setup", "Check all that a render on AWS needs, before money is spent; nothing is changed.")
    _add_type(parser)
    _add_account(parser)
    _add_machine(parser)
    return parser


def _check_snapshot() -> argparse.ArgumentParser:
    parser = _parser(
        "check-snapshot",
        "Render a small frame of what would be sent beside the same frame of the file, with the Blender of this "
        "computer; nothing is rented. The exit code is 0 if they are identical.",
    )
    parser.add_argument("blend", nargs="?", metavar="BLEND", help="file to check (default: the one in this folder)")
    parser.add_argument(
        "-o", dest="output", metavar="DIR", default="out/check", help="where the pictures go (default: out/check)"
    )
    _add_sending(parser)
    return parser


def _quota() -> argparse.ArgumentParser:
    parser = _parser("quota", "Show how many vCPUs your account may rent of such machines; ask AWS for more.")
    _add_type(parser)
    parser.add_argument(
        "--request",
        metavar="VCPUS",
        nargs="?",
        type=_vcpus,
        const=0,
        help="ask AWS for a larger quota, after a yes (default: what two such machines need, at least 8)",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="ask AWS without asking you")
    _add_account(parser)
    _add_purchase(parser)
    return parser


def _frame(text: str) -> int:
    return _whole(text, -_LAST_FRAME, _LAST_FRAME)


def _vcpus(text: str) -> int:
    return _whole(text, 1, 100_000)


def _whole(text: str, low: int, high: int) -> int:
    try:
        number = int(text)
        if low <= number <= high:
            return number
    except ValueError:
        pass  # said below
    raise argparse.ArgumentTypeError(f"{text!r} is not usable: it must be a whole number from {low} to {high}")


def _policy() -> argparse.ArgumentParser:
    parser = _parser(
        "policy", "Print the IAM policy with the rights that Cloudrender needs, to attach to your AWS user."
    )
    parser.add_argument(
        "--images", action="store_true", help="the policy that making machine images needs, besides the other one"
    )
    return parser


def _image() -> argparse.ArgumentParser:
    parser = _parser("image", "Make machine images of your own, so that a job boots straight into rendering.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="build | list | test | copy | delete")

    def action(name: str, description: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=description, description=description, allow_abbrev=False)
        _add_output(sub, default=argparse.SUPPRESS)  # what stands before the action holds unless it is said again
        return sub

    build = action("build", "Rent a machine, put driver and Blender on it, make an image of it, end the machine.")
    build.add_argument(
        "--family", required=True, metavar="FAMILY", help="machines it is for: g4dn, g5, p4d, c7i …, or a whole type"
    )
    build.add_argument(
        "--blender",
        nargs="+",
        metavar="VERSION",
        help="Blenders to put on it: 4.2.23, or 4.2 (its newest patch)",
    )
    _add_account(build)
    _add_place(build, image="image to begin with (default: AWS's newest)")
    _add_account(action("list", "List the images made by cloudrender, with their monthly cost."))
    test = action("test", "Render a frame on a machine of that image; tell devices, driver and times.")
    test.add_argument("ami", metavar="AMI")
    test.add_argument("--family", metavar="FAMILY", help="machine to try it on (default: the smallest of its kind)")
    _add_account(test)
    _add_place(test)
    copy = action("copy", "Copy an image, encrypted, into another region.")
    copy.add_argument("ami", metavar="AMI")
    copy.add_argument("--region", dest="to", required=True, metavar="REGION", help="region to copy it to")
    copy.add_argument("--from", dest="region", metavar="REGION", help="region it is in (default: yours)")
    copy.add_argument("--profile", metavar="NAME", help="profile of your AWS configuration")
    delete = action("delete", "Delete images and their snapshots.")
    delete.add_argument("ami", metavar="AMI", nargs="+")
    delete.add_argument("-y", "--yes", action="store_true", help="delete them without asking")
    _add_account(delete)
    return parser


def _add_place(parser: argparse.ArgumentParser, *, image: str | None = None) -> None:
    if image:
        parser.add_argument("--image", metavar="AMI", help=image)
    parser.add_argument("--ssh-user", metavar="USER", help="user to log in as (default ubuntu)")
    parser.add_argument("--ssh-port", metavar="PORT", help="SSH port of the machine (default 22)")
    parser.add_argument("--subnet", metavar="ID", help="subnet to start in (default: the default VPC)")
    parser.add_argument("--security-group", metavar="ID", help="security group to use as it is (default: a new one)")


_PARSERS = {
    "image": _image,
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
