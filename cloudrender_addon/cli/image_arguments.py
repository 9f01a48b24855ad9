# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions of `cloudrender image`, and which flags each takes."""

from __future__ import annotations

import argparse

from .flags import add_account, add_output, add_place, make_parser
from .usage import Parser

_AMI = "id of an image, as `cloudrender image list` tells it"


def image_parser() -> Parser:
    """Return the parser of `cloudrender image`, with its actions."""
    parser = make_parser("image", "Make machine images of your own, so that a job boots straight into rendering.")
    metavar = "build | list | test | copy | share | delete"
    actions = parser.add_subparsers(dest="action", required=True, metavar=metavar)

    def action(name: str, description: str) -> Parser:
        sub = actions.add_parser(name, help=description, description=description)
        add_output(sub, default=argparse.SUPPRESS)  # what stands before the action holds unless it is said again
        return sub

    build = action("build", "Rent a machine, put driver and Blender on it, make an image of it, end the machine.")
    build.add_argument(
        "--family", required=True, metavar="FAMILY", help="machines it is for: g4dn, g5, p4d, c7i …, or a whole type"
    )
    build.add_argument(
        "--blender",
        nargs="+",
        metavar="VERSION",
        help="Blenders to put on it: 4.2.23, or 4.2 (its newest patch); default: the newest series",
    )
    build.add_argument("--share", metavar="ACCOUNT[,ACCOUNT]", help="AWS accounts that may use it, too (12 digits)")
    _encryption(build)
    add_account(build)
    add_place(build, image="image to begin with (default: AWS's newest)")
    add_account(action("list", "List the images in all regions that this computer ever used, with their monthly cost."))
    test = action("test", "Render a frame on a machine of that image; tell devices, driver and times.")
    test.add_argument("ami", metavar="AMI", help=_AMI)
    test.add_argument("--family", metavar="FAMILY", help="machine to try it on (default: the smallest of its kind)")
    add_account(test)
    add_place(test)
    copy = action("copy", "Copy an image into another region.")
    copy.add_argument("ami", metavar="AMI", help=_AMI)
    copy.add_argument("--region", dest="to", required=True, metavar="REGION", help="region to copy it to")
    copy.add_argument("--from", dest="region", metavar="REGION", help="region it is in (default: yours)")
    _encryption(copy)
    copy.add_argument("--profile", metavar="NAME", help="profile of your AWS configuration")
    share = action("share", "Let other AWS accounts use an image, or no longer; they name it with --image.")
    share.add_argument("ami", metavar="AMI", help=_AMI)
    share.add_argument("account", metavar="ACCOUNT", nargs="*", help="id of an account: 12 digits")
    share.add_argument("--stop", metavar="ACCOUNT", nargs="+", default=[], help="accounts that may use it no longer")
    add_account(share)
    delete = action("delete", "Delete images and their snapshots.")
    delete.add_argument("ami", metavar="AMI", nargs="*", help=_AMI)
    delete.add_argument(
        "--old", action="store_true", help="all that a newer one has taken the place of, but those that are shared"
    )
    delete.add_argument("-y", "--yes", action="store_true", help="delete them without asking")
    add_account(delete)
    return parser


def _encryption(parser: Parser) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--kms-key",
        metavar="KEY",
        default="",
        help="encrypt it with this KMS key of its region: id, ARN or alias/NAME (default: the account's EBS key)",
    )
    either.add_argument("--unencrypted", action="store_true", help="do not encrypt it: nothing of yours is on an image")
