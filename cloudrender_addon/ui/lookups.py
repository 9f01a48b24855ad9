# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels and dialogs show of the world outside: prices, profiles, jobs on disk, the check of the set-up."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import CloudrenderError
from . import announce, jobs_panel
from .background import each_in_background, in_background
from .online import OFFLINE
from .preferences import jobs_home, preferences, settings_for
from .properties import machine_types
from .pump import redraw
from .session import SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpy.types import Context

    from ..backend.aws.limits import QuotaRequest
    from ..backend.aws.profiles import ProfileList
    from ..backend.farms.check import CheckResult
    from ..backend.farms.quotes import Quote
    from ..backend.job.summary import JobSummary
    from ..backend.settings import Settings


def refresh_quotes(context: Context, *, also: tuple[str, ...] = ()) -> None:
    """Ask for today's prices of all recommended machines, the chosen one, and those that somebody asks about `also`."""
    try:
        settings = settings_for(context)
        chosen = machine_types(context)
        if not bpy.app.online_access:
            raise OFFLINE
    except CloudrenderError as error:
        _no_quotes(error)
        return

    def ask() -> dict[str, Quote]:
        from ..backend.aws.choices import CHOICES  # noqa: PLC0415 - loaded with what follows
        from ..backend.farms.factory import open_account  # noqa: PLC0415 - boto3 takes a second
        from ..backend.farms.quotes import quote  # noqa: PLC0415

        names = dict.fromkeys([*(choice.name for choice in CHOICES), *chosen, *also])
        return quote(open_account(settings), settings, tuple(names))

    in_background("quotes", ask, then=_take_quotes, failed=_no_quotes)


def _take_quotes(quotes: dict[str, Quote]) -> None:
    SESSION.quotes, SESSION.quotes_error = quotes, ""
    _redraw_dialog()


def _no_quotes(error: CloudrenderError) -> None:
    SESSION.quotes_error = error.message
    _redraw_dialog()


def _redraw_dialog() -> None:
    if SESSION.dialog is not None:
        # The operator drops it when the dialog closes; should Blender close it otherwise, this is what it raises.
        with contextlib.suppress(RuntimeError, ReferenceError):
            SESSION.dialog.tag_refresh_ui()


def refresh_summaries() -> None:
    """Read the list of jobs from disk."""
    home = jobs_home()

    def read() -> tuple[JobSummary, ...]:
        from ..backend.job.store import JobStore  # noqa: PLC0415
        from ..backend.job.summary import summarize  # noqa: PLC0415

        return tuple(summarize(folder) for folder in reversed(JobStore(home).folders()))

    in_background("summaries", read, then=_take_summaries, failed=_failed)


def _take_summaries(summaries: tuple[JobSummary, ...]) -> None:
    SESSION.summaries = summaries
    jobs_panel.mirror_jobs()


def refresh_profiles() -> None:
    """Look whether the user's own AWS configuration can be read."""

    def read() -> ProfileList:
        from ..backend.aws.profiles import list_profiles  # noqa: PLC0415

        return list_profiles(os.environ)

    in_background("profiles", read, then=_take_profiles, failed=_failed)


def _take_profiles(found: ProfileList) -> None:
    SESSION.profiles_problem = found.problem


def _failed(error: CloudrenderError) -> None:
    announce.say("WARNING", f"{error.message}. {error.hint}".strip())


def check_setup(context: Context) -> bool:
    """Check all that a render needs, without changing anything; False if that is under way already.

    Raises `ConfigError`.
    """
    settings: Settings = settings_for(context)
    if not bpy.app.online_access:
        raise OFFLINE

    def ask() -> Iterator[CheckResult]:
        from ..backend.farms.check import check_setup as check  # noqa: PLC0415

        yield from check(settings)

    if "check" in SESSION.busy:
        return False
    SESSION.checks = ()
    refresh_profiles()  # what was wrong with them may be right now
    return each_in_background("check", ask, each=_take_check, then=_checked, failed=_failed)


def request_quota(context: Context) -> bool:
    """Ask Amazon for a larger quota for such machines; False if that is under way already. Raises `ConfigError`."""
    settings: Settings = settings_for(context)
    if not bpy.app.online_access:
        raise OFFLINE

    def ask() -> tuple[QuotaRequest, ...]:
        from ..backend.farms.factory import open_account  # noqa: PLC0415 - boto3 takes a second
        from ..backend.farms.quota import ask_for_what_is_missing  # noqa: PLC0415

        return ask_for_what_is_missing(open_account(settings), settings)

    return in_background("quota", ask, then=_asked, failed=_failed)


def _asked(requests: tuple[QuotaRequest, ...]) -> None:
    if requests:
        vcpus = " and ".join(str(each.vcpus) for each in requests)
        announce.say("INFO", f"Amazon was asked for {vcpus} vCPUs. It answers by e-mail, within hours or days")
    else:
        announce.say("INFO", "The quota is large enough by now")
    redraw()


def _take_check(result: CheckResult) -> None:
    SESSION.checks = (*SESSION.checks, result)


def _checked() -> None:
    from ..backend.farms.check import CheckState  # noqa: PLC0415

    if all(result.state is not CheckState.FAILED for result in SESSION.checks):
        preferences().setup_done = True
        refresh_quotes(bpy.context)
    redraw()
