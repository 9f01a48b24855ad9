# SPDX-License-Identifier: GPL-3.0-or-later
"""What several commands have in common: their parser, groups of flags, numbers within limits."""

from __future__ import annotations

import argparse
import shutil
import textwrap

from .. import __version__
from ..backend.errors import UsageError
from ..backend.setting_values import PURCHASES
from .usage import Parser

_LAST_FRAME = 1_048_574
"""Blender knows no frames beyond it, nor below its negative (MAXFRAME, MINAFRAME in its DNA_scene_types.h)."""


def make_parser(name: str, description: str, *, epilog: str | None = None) -> Parser:
    parser = Parser(
        prog=f"cloudrender {name}".strip(),
        description=textwrap.fill(description, shutil.get_terminal_size().columns - 2),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cloudrender {__version__}")
    add_output(parser, default=False)
    return parser


def add_output(parser: argparse.ArgumentParser, *, default: object) -> None:
    for names, text in (
        (("-v", "--verbose"), "show the log, and tracebacks of errors"),
        (("--json",), "write one JSON object a line, for programs"),
    ):
        parser.add_argument(*names, action="store_true", default=default, help=text)


def add_account(parser: argparse.ArgumentParser) -> None:
    account = parser.add_argument_group("account (also in the configuration file, and as CLOUDRENDER_… variables)")
    account.add_argument("--profile", metavar="NAME", help="profile of your AWS configuration")
    account.add_argument(
        "--region",
        metavar="REGION",
        help="AWS region, such as eu-central-1; of several (a,b) the next where there is none",
    )


def add_type(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        dest="instance_type",
        metavar="TYPE[,TYPE]",
        help="machine type (default g4dn.xlarge), or several: any will do",
    )


def add_purchase(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    machine = parser.add_argument_group("machine (also in the configuration file, and as CLOUDRENDER_… variables)")
    machine.add_argument(
        "--purchase", metavar="HOW", help=f"how to buy the machine: {', '.join(PURCHASES)} (default {PURCHASES[0]})"
    )
    return machine


def add_sending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--send",
        metavar="WHAT",
        help='what is sent: "used", the files that the .blend uses (default), or "folder", all of the project folder',
    )
    parser.add_argument(
        "--local-blender", metavar="PATH", help="Blender of this computer to ask what is used (default: is looked for)"
    )


def add_machine(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    machine = add_purchase(parser)
    machine.add_argument("--image", metavar="AMI", help='machine image: "auto", "public" or an AMI id')
    machine.add_argument("--ssh-user", metavar="USER", help="user to log in as (default ubuntu)")
    machine.add_argument("--ssh-port", metavar="PORT", help="SSH port of the machine (default 22)")
    machine.add_argument("--subnet", metavar="ID", help="subnet to start in (default: the default VPC)")
    machine.add_argument(
        "--security-group", metavar="ID", help="security group to use as it is (default: one made for the job)"
    )
    return machine


def frame_number(text: str) -> int:
    return _whole(text, -_LAST_FRAME, _LAST_FRAME, what="frame")


def vcpu_count(text: str) -> int:
    return _whole(text, 1, 100_000, what="number of vCPUs")


def _whole(text: str, low: int, high: int, *, what: str) -> int:
    try:
        number = int(text)
        if low <= number <= high:
            return number
    except ValueError:
        pass  # said below
    raise UsageError(f"{text!r} is not a {what}", hint=f"It must be a whole number from {low} to {high}")


def add_place(parser: argparse.ArgumentParser, *, image: str | None = None) -> None:
    if image:
        parser.add_argument("--image", metavar="AMI", help=image)
    parser.add_argument("--ssh-user", metavar="USER", help="user to log in as (default ubuntu)")
    parser.add_argument("--ssh-port", metavar="PORT", help="SSH port of the machine (default 22)")
    parser.add_argument("--subnet", metavar="ID", help="subnet to start in (default: the default VPC)")
    parser.add_argument("--security-group", metavar="ID", help="security group to use as it is (default: a new one)")
