# SPDX-License-Identifier: GPL-3.0-or-later
"""The `cloudrender` command: from arguments to an exit code.

0 done · 1 failed, with one line of cause and one of what to do next · 2 wrong usage · 130 cancelled.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..backend.aws.policy import images_policy_text, policy_text
from ..backend.errors import Cancelled, CloudrenderError, UsageError
from ..backend.settings import Settings, load_settings
from .arguments import parse
from .display import Display, choose_display

_SETTING_FLAGS = (
    "profile",
    "region",
    "instance_type",
    "purchase",
    "image",
    "ssh_user",
    "ssh_port",
    "subnet",
    "security_group",
    "wait_minutes",
    "max_launches",
    "fresh_machine",
    "max_hours",
    "max_cost",
    "keep_minutes",
    "send",
    "local_blender",
)


def run() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that cannot show "→" must not stop a render
    sys.exit(main(sys.argv[1:]))


def main(
    argv: Sequence[str],
    *,
    preset: Mapping[str, object] | None = None,
    blend: str | None = None,
    own_blender: Path | None = None,
) -> int:
    """Run one command and return its exit code; no traceback reaches the user without -v.

    `preset` are settings that flags override, `blend` is the file that is meant when none is named, `own_blender` the
    program in which this runs.
    """
    try:
        arguments = parse(argv)
    except UsageError as error:
        choose_display(as_json="--json" in argv).error(error)
        return 2
    arguments.own_blender = own_blender
    if arguments.command in ("render", "check-snapshot") and arguments.blend is None:
        arguments.blend = blend
    display = choose_display(as_json=arguments.json)
    _set_up_log(verbose=arguments.verbose)
    try:
        given = {name: getattr(arguments, name, None) for name in _SETTING_FLAGS}
        flags = {**(preset or {}), **{name: value for name, value in given.items() if value is not None}}
        code = _dispatch(arguments, load_settings(environ=os.environ, flags=flags), display)
        print(end="", flush=True)  # a reader that has gone is to be noticed here, and not at the process's end
        return code
    except (KeyboardInterrupt, Cancelled):
        display.close()
        display.say("Cancelled")
        return 130
    except CloudrenderError as error:
        display.close()
        if arguments.verbose:
            traceback.print_exc()
        display.error(error)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:  # as `| head` does; Python would flush, and complain, once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as bug:  # noqa: BLE001  the process's top
        display.close()
        if arguments.verbose:
            traceback.print_exc()
        display.error(
            CloudrenderError(
                f"Unexpected error: {type(bug).__name__}: {bug}", hint="Run again with -v and report what it prints"
            )
        )
        return 1


def _dispatch(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    # Imported here: `--help` and wrong usage should not wait for a second of imports.
    from . import jobs  # noqa: PLC0415
    from .check import check  # noqa: PLC0415
    from .check_snapshot import check as check_snapshot  # noqa: PLC0415
    from .clean_up import clean_up  # noqa: PLC0415
    from .image import image  # noqa: PLC0415
    from .job_list import list_jobs  # noqa: PLC0415
    from .quota import quota  # noqa: PLC0415
    from .render import render  # noqa: PLC0415

    match arguments.command:
        case "check-setup":
            return check(arguments, settings)
        case "check-snapshot":
            return check_snapshot(arguments, settings, display)
        case "jobs":
            return list_jobs(arguments, settings)
        case "attach":
            return jobs.attach(arguments, settings, display)
        case "fetch":
            return jobs.fetch(arguments, settings, display)
        case "cancel":
            return jobs.cancel(arguments, settings, display)
        case "policy":
            print(images_policy_text() if arguments.images else policy_text(), end="")
            return 0
        case "quota":
            return quota(arguments, settings, display)
        case "image":
            return image(arguments, settings, display)
        case "clean-up":
            return clean_up(arguments, settings, display)
    return render(arguments, settings, display)


def _set_up_log(*, verbose: bool) -> None:
    """Send the log to the terminal with -v, else nowhere: libraries must not write between our lines."""
    log = logging.getLogger()
    log.addHandler(logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler())
    log.setLevel(logging.INFO if verbose else logging.WARNING)
    if verbose:
        # At DEBUG they print requests and their headers; nothing of an account belongs into a log.
        for name in ("botocore", "boto3", "paramiko", "urllib3"):
            logging.getLogger(name).setLevel(logging.WARNING)
