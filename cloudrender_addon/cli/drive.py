# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive a job from a terminal: the runner on a thread of its own, events and Ctrl-C on the main thread."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType

from ..backend.assets.bundle import Bundle
from ..backend.assets.concerns import in_words
from ..backend.cancel import CancelToken
from ..backend.errors import CloudrenderError, Detached
from ..backend.farms.base import Farm
from ..backend.job import events as ev
from ..backend.job.cost import data_out_usd
from ..backend.job.folder import JobFolder
from ..backend.job.frames import counted, format_frames
from ..backend.job.log import log_to
from ..backend.job.progress import Progress
from ..backend.job.record import JobRecord
from ..backend.job.runner import JobRunner
from ..backend.job.status import Status
from ..backend.job.words import clock, format_seconds, worth_a_word
from .display import Display

_TICK_SECONDS = 0.25

EXIT_CODES = {Status.SUCCEEDED: 0, Status.CANCELLED: 130}
"""All other endings are 1."""


def drive(
    folder: JobFolder, *, farm: Farm, bundle: Callable[[CancelToken], Bundle], display: Display, cancelled: bool = False
) -> int:
    """Run a job to its end and show it; return the exit code. The caller holds the folder's lock.

    `bundle` is asked on the job's thread for what it sends, and hears by the token when that is not wanted any more.

    With `cancelled` the job is only ended: its machine is released and its record closed.
    """
    cancel = CancelToken(probe=folder.wish)
    if cancelled:
        cancel.cancel()
    events: queue.SimpleQueue[ev.Event] = queue.SimpleQueue()
    runner = JobRunner(folder, farm=farm, bundle=partial(bundle, cancel), report=events.put, cancel=cancel)
    # A daemon: if this process must go, it goes; the record and the machine's own switch do the rest.
    thread = threading.Thread(target=runner.run, name="job", daemon=True)
    with log_to(folder.log), stop_signals(cancel) as presses:
        thread.start()
        try:
            ended, notes = _watch(events, thread, presses, runner.progress(), display)
        except BaseException:
            # Whatever befalls the face, the machine behind it is ended first.
            cancel.cancel()
            thread.join()
            raise
    thread.join(timeout=5)
    _summarize(folder, ended, farm, display, notes=notes)
    if cancelled and presses:
        raise KeyboardInterrupt  # meant for whatever was to come after this clean-up
    return 0 if isinstance(ended.error, Detached) else EXIT_CODES.get(ended.status, 1)


def _watch(
    events: queue.SimpleQueue[ev.Event],
    thread: threading.Thread,
    presses: list[int],
    progress: Progress,
    display: Display,
) -> tuple[ev.JobEnded, list[str]]:
    """Show events until the last one; return it, and what is to be said of the frames once more."""
    answered = 0
    notes = []
    while True:
        if len(presses) > answered:
            display.say("Still ending the machine; please wait" if answered else "Stopping: ending the machine …")
            answered = len(presses)
        alive = thread.is_alive()  # asked first: what a thread says before its end is in the queue then
        try:
            event = events.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            if not alive:
                raise CloudrenderError("The job's thread died", hint="`cloudrender attach` goes on with it") from None
            display.tick(progress)
            continue
        progress = progress.after(event)
        display.show(event, progress)
        if isinstance(event, ev.Notice) and event.about_frames:
            notes.append(event.text)
        if isinstance(event, ev.JobEnded):
            return event, notes


@contextlib.contextmanager
def stop_signals(cancel: CancelToken, *, hang_up: bool = False) -> Iterator[list[int]]:
    """Turn Ctrl-C and SIGTERM into cancellation, and collect them in the list that is yielded.

    With `hang_up` the closing of the terminal is one, too: for what nobody goes on with. It stays ignored under nohup.

    Nothing is printed here: the main thread may be in the middle of printing.
    """
    presses: list[int] = []
    hung_up = getattr(signal, "SIGHUP", None) if hang_up else None  # Windows has none
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hung_up is not None and signal.getsignal(hung_up) != signal.SIG_IGN:
        numbers.append(hung_up)
    terminals = [number for number in (1, 2) if os.isatty(number)]  # one that hung up does not look like one any more

    def stop(number: int, _frame: FrameType | None) -> None:
        if number == hung_up:
            _silence(terminals)
        presses.append(number)
        cancel.cancel()

    previous = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield presses
    finally:
        for number, handler in previous.items():
            # None: the handler of Blender itself, which Python cannot put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _silence(terminals: Iterable[int]) -> None:
    """Let what is printed there go nowhere: printing to a terminal that hung up fails, also when Python ends."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in terminals:
            os.dup2(nowhere, number)


def _summarize(folder: JobFolder, ended: ev.JobEnded, farm: Farm, display: Display, *, notes: list[str]) -> None:
    display.close()
    record = folder.load()
    spec = record.spec
    if isinstance(ended.error, Detached):
        display.say(f"{ended.error.message}: {spec.job_id}")
        return
    if ended.frames:
        display.say(f"In {spec.output}: {len(ended.frames)} of {counted(len(spec.frames))}")
        for note in notes:  # what was said at the start has scrolled away
            display.say(f"Note: {note}")
    # Who failed before the first frame has a cause to see to, and is told so by the error.
    if ended.missing and (ended.frames or ended.status is Status.CANCELLED):
        display.say(f"Missing: {format_frames(ended.missing)}; to render them: `cloudrender attach {spec.job_id}`")
    if record.launches or record.taken:
        phases = [f"{status.value} {seconds:.1f} s" for status, seconds in ended.phases.items() if seconds >= 0.05]
        display.say(f"Time: {format_seconds(sum(ended.phases.values()))} ({', '.join(phases)})")
        a_frame = ended.cost_per_frame_usd
        display.say(f"Cost: ${ended.cost_usd:.4f}" + ("" if a_frame is None else f" (${a_frame:.4f} a frame)"))
        if (data := _data_out(folder)) is not None:
            display.say(data)
        for line in kept_lines(spec.job_id, ended.kept) if ended.kept else ():
            display.say(line)
        besides = " besides" if ended.kept else ""
        display.say(f"Left running{besides}: {_left_running(record, farm, kept=ended.kept)}")
    else:
        display.say("No machine was started")
    if ended.error is not None:
        display.error(ended.error)


def _data_out(folder: JobFolder) -> str | None:
    """Say what the frames' way back costs at most, None if that is not worth a line."""
    size = sum(frame.size or 0 for frame in folder.brought())
    if not worth_a_word(usd := data_out_usd(size)):
        return None
    return f"Data out: {in_words(size)}, up to ${usd:.2f} more (your account's first 100 GB a month are free)"


def kept_lines(job_id: str, kept: ev.KeptMachine) -> tuple[str, ...]:
    """Say of a machine that stays up until when it does, how to end it, and how to log in to it."""
    machine = kept.machine
    return (
        f"Machine {machine.instance_id} is kept until {clock(kept.until)} as asked, ${machine.hourly_usd:.3f} an hour: "
        f"`cloudrender cancel {job_id}` ends it sooner",
        f"To log in: `{kept.login}`",
    )


def _left_running(record: JobRecord, farm: Farm, *, kept: ev.KeptMachine | None) -> str:
    """Ask the cloud itself: what the runner believes is not proof. What is kept was asked for, and is told apart."""
    given = (*record.given, *([kept.machine.request.token] if kept else []))
    try:
        return ", ".join(farm.leftovers(record.spec.job_id, taken=record.taken, given=given)) or "nothing"
    except CloudrenderError as error:
        return f"not known ({error.message}); check with `cloudrender clean-up`"
