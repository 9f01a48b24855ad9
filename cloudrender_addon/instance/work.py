# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's life after it has detached: bring Blender, wait for the project, render; exactly one terminal event."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from . import blender_release, nvidia_driver
from .blender_log import keep_bounded
from .blender_process import BlenderProcess
from .download import Mirror
from .failure import Failure
from .interruption import InterruptionWatch, Notice
from .journal import Journal
from .lease import LeaseKeeper
from .leaving import INTERRUPTION, Leaving
from .progress import Progress
from .rendering import Rendering
from .root import Plan, Root, blend_path

_POLL_SECONDS = 0.1


class _Terminated(BaseException):
    """SIGTERM: the machine is going down."""


def work(root: Root, plan: Plan, journal: Journal) -> None:
    """Do all that `plan` asks for. Never raises: whatever happens becomes the journal's last event."""
    signal.signal(signal.SIGTERM, _terminate)

    # A client that sends the project keeps the machine alive. One that dies meanwhile leaves nothing to work on.
    keeper = LeaseKeeper(root, work=root.project.is_dir, chore=functools.partial(keep_bounded, root.blender_log))
    preparing = threading.Event()

    def announce(notice: Notice) -> None:
        journal.append("interruption", action=notice.action, time=notice.time)
        if preparing.is_set():  # no frame will be begun with the Blender, and the project, that are on their way
            os.kill(os.getpid(), signal.SIGTERM)

    watch = InterruptionWatch(
        on_notice=announce,
        on_recommendation=lambda moment: journal.append("rebalance", time=moment),
    )
    keeper.start()
    watch.start()
    try:
        shutil.rmtree(root.work, ignore_errors=True)
        root.frames.mkdir(exist_ok=True)
        progress = Progress(plan.frames, journal.read())
        complete = not progress.missing
        if not complete:
            preparing.set()
            start = _bring(root, plan, journal)
            _await_project(root, watch)
            if root.project.is_dir():
                journal.append("project_ready")  # and Blender: what follows is the render's own time
            preparing.clear()
            leaving = Leaving(watch, progress, move_seconds=plan.move_seconds)
            complete = Rendering(root=root, progress=progress, journal=journal, start=start, leaving=leaving).run()
        if complete:
            journal.append("finished", frames=len(progress.done), failed=sorted(progress.failed))
        else:
            journal.append("stopped", reason=leaving.reason())
    except _Terminated:
        # What is missing can be rendered on another machine.
        noticed = any(event["event"] == "interruption" for event in journal.read())
        journal.append("stopped", reason=INTERRUPTION if noticed else "shutdown")
    except Failure as failure:
        _give_up(root, journal, failure)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a client must not wait for ever
        traceback.print_exc()
        last = traceback.format_exception_only(type(error), error)[-1].strip()
        _give_up(
            root,
            journal,
            Failure(
                kind="agent",
                message=f"The render agent failed: {last}",
                hint="Please report this, with the lines below.",
                log=traceback.format_exc().splitlines()[-20:],
            ),
        )
    finally:
        watch.stop()
        keeper.stop()


def _bring(root: Root, plan: Plan, journal: Journal) -> Callable[[Path], BlenderProcess]:
    """Bring what is missing of driver and Blender; return what starts the one that the plan wants. Raises `Failure`."""
    if plan.gpu:
        steps: list[str] = []

        def say(text: str) -> None:
            steps.append(text)
            journal.append("step", text=text)

        nvidia_driver.ensure(say)
        if steps:  # it had something to do
            journal.append("driver_ready")
    begun = time.monotonic()
    blender = blender_release.bring(wanted=plan.blender, mirror=Mirror(plan.mirror), folder=root.blender)
    seconds = round(time.monotonic() - begun, 3)
    journal.append("blender_ready", version=blender.version, source=blender.source, seconds=seconds)
    return functools.partial(
        _start_blender,
        root=root,
        plan=plan,
        executable=blender.executable,
        blend=blend_path(root, plan),
        on_first_sample=lambda: journal.append("first_sample"),
    )


def _await_project(root: Root, watch: InterruptionWatch) -> None:
    """Wait for the client to have sent it all; the lease runs meanwhile, and ends the machine of one that is gone."""
    while not root.project.is_dir() and watch.notice is None:
        time.sleep(_POLL_SECONDS)


def _start_blender(
    work: Path, *, root: Root, plan: Plan, executable: Path, blend: Path, on_first_sample: Callable[[], object]
) -> BlenderProcess:
    return BlenderProcess(
        executable=executable,
        blend=blend,
        autoexec=plan.autoexec,
        plan=root.plan,
        addons=bool(plan.addons),
        work=work,
        log=root.blender_log,
        on_first_sample=on_first_sample,
    )


def _give_up(root: Root, journal: Journal, failure: Failure) -> None:
    shutil.rmtree(root.work, ignore_errors=True)  # on a full disk this makes room for the event
    journal.append("failed", kind=failure.kind, message=failure.message, hint=failure.hint, log=list(failure.log))


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the clean-up is not interrupted
    raise _Terminated
