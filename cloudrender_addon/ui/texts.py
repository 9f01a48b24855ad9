# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that panels show: pure functions from what the backend knows to short lines. No bpy here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..backend.errors import Cancelled, Detached, MissingFilesError
from ..backend.job.status import Status
from ..backend.job.words import clock, format_seconds, fraction_done, worth_a_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..backend.aws.choices import MachineChoice
    from ..backend.farms.quotes import Quote
    from ..backend.job import events as ev
    from ..backend.job.estimate import Estimate
    from ..backend.job.progress import Progress
    from ..backend.setting_values import Purchase

_PHASES = {
    Status.PENDING: "Starting",
    Status.PACKING: "Collecting Files",
    Status.PROVISIONING: "Renting a Machine",
    Status.BOOTING: "Machine Is Starting",
    Status.UPLOADING: "Sending",
    Status.RENDERING: "Rendering",
    Status.RECOVERING: "Recovering",
    Status.CANCELLING: "Canceling",
    Status.CLEANING_UP: "Ending the Machine",
    Status.KEPT: "Machine Kept",
    Status.SUCCEEDED: "Done",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Canceled",
}

LISTED = 10
"""How many things concerned are named, each in a line."""

_IN_FRAMES = (Status.RENDERING, Status.RECOVERING)


def phase(status: Status, *, cancelling: bool = False) -> str:
    """Name what a job is doing."""
    if cancelling and not status.terminal and status is not Status.CLEANING_UP:
        status = Status.CANCELLING
    return _PHASES[status]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A progress bar: how full (0 to 1) and what is written on it."""

    factor: float
    text: str


def bar(progress: Progress, *, cancelling: bool = False) -> Bar:
    """Return the bar of a running job. It is filled by bytes while sending, by frames from then on."""
    text = phase(progress.status, cancelling=cancelling)
    factor = min(max(fraction_done(progress), 0.0), 1.0)
    if cancelling:
        return Bar(factor=factor, text=text)
    if progress.status is Status.UPLOADING and progress.to_send:
        text += f" {factor:.0%}"
    elif progress.status in _IN_FRAMES:
        text += f" {progress.done}/{progress.total}"
    return Bar(factor=factor, text=text)


def money(usd: float) -> str:
    """Write an amount in USD: "$1.23", "$0.004" below a cent."""
    return f"${usd:.3f}" if 0 < usd < 0.0095 else f"${usd:,.2f}"


def hourly(usd: float) -> str:
    """Write a price per hour: "$0.214/h"."""
    return f"${usd:.3f}/h"


def about(seconds: float) -> str:
    """Write a rough duration: "45 s", "12 min", "3.5 h"."""
    if seconds < 55:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    if seconds < 100 * 60:
        return f"{max(round(seconds / 60), 1)} min"
    return f"{seconds / 3600:.1f} h"


def age(seconds: float) -> str:
    """Write how long ago something was, in a few characters: "now", "5 min", "3 h", "2 d"."""
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds / 60)} min"
    if seconds < 24 * 3600:
        return f"{int(seconds / 3600)} h"
    return f"{int(seconds / (24 * 3600))} d"


def time_left(progress: Progress, now: float) -> str:
    """Write the time left, "–" as long as nobody knows."""
    left = progress.seconds_left(now) if progress.status is Status.RENDERING else None
    return "–" if left is None else format_seconds(left)


def in_all(projected_usd: float | None, *, data_out_usd: float | None = None) -> str:
    """Write what a running job will have cost, "–" as long as nobody knows."""
    return "–" if projected_usd is None else f"{money(projected_usd)}{data_out(data_out_usd)}"


def status_line(progress: Progress, now: float, *, cancelling: bool = False) -> str:
    """Write a running job for the status bar: "Cloud: Rendering 12/24, 5:00 left, $0.12"."""
    parts = [bar(progress, cancelling=cancelling).text]
    if (left := time_left(progress, now)) != "–" and not cancelling:
        parts.append(f"{left} left")
    parts.append(money(progress.cost_usd(now)))
    return "Cloud: " + ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a job ended: an icon, a title of a few words, cause and next step ("" where there is none).

    `alert`: the user has to do something. `resume` is what going on with the job is called, "" if there is no need to.
    `names` are lines about each thing concerned.
    """

    icon: str
    title: str
    text: str = ""
    hint: str = ""
    alert: bool = False
    resume: str = ""
    names: tuple[str, ...] = ()


def ending(ended: ev.JobEnded, *, total: int) -> Ending:
    """Put the end of a job into words."""
    got = f"{len(ended.frames)} of {total} frames" if total > 1 else f"{len(ended.frames)} of 1 frame"
    error, cost = ended.error, money(ended.cost_usd)
    if error is None:
        frames = f"{total} frames" if total > 1 else "1 frame"
        kept = f"The machine is kept until {clock(ended.kept.until)}" if ended.kept else ""
        return Ending(icon="CHECKMARK", title=f"Done: {frames}, {cost}", text=kept)
    if isinstance(error, Detached):
        return Ending(icon="PAUSE", title="Goes on without this Blender", text=error.message, resume="Resume")
    if ended.status is Status.CLEANING_UP:
        return Ending(
            icon="ERROR",
            title="Something may still be running",
            text=error.message,
            hint=error.hint,
            alert=True,
            resume="Try Again",
        )
    if isinstance(error, MissingFilesError):
        return Ending(
            icon="ERROR",
            title=f"Not Started: {len(error.details)} {'file is' if len(error.details) == 1 else 'files are'} missing",
            names=listed(error.details),
            hint="Find them and render again, or render without them",
            alert=True,
        )
    if isinstance(error, Cancelled):
        return Ending(icon="CANCEL", title=f"Canceled: {got}, {cost}", text="Nothing is left running", resume="Resume")
    return Ending(
        icon="ERROR", title=f"Failed: {got}, {cost}", text=error.message, hint=error.hint, alert=True, resume="Resume"
    )


def of_files(traced: ev.FilesTraced) -> tuple[str, ...]:
    """Write what is sent, and last what is worth a look before the frames come, each in a line."""
    from ..backend.assets.concerns import in_words  # noqa: PLC0415 - platformdirs, which nothing needs before

    one = traced.files == 1
    what = f"Sending {traced.files:,} {'file' if one else 'files'}, {in_words(traced.size)}"
    left_out = [f"Not sent: {each}" for each in traced.left_out]
    missing = [f"Rendered without {each}" for each in traced.missing]
    return (what, *left_out, *missing, *traced.warnings)


def listed(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines, but no more than a panel or a dialog has room for."""
    more = (f"and {len(lines) - LISTED:,} more",) if len(lines) > LISTED else ()
    return (*lines[:LISTED], *more)


def wrapped(text: str, *, columns: int) -> list[str]:
    """Break a text into lines for labels, which do not wrap."""
    import textwrap  # noqa: PLC0415 - of no use when enabling

    return textwrap.wrap(text, width=max(columns, 10), break_on_hyphens=False)


def gpu(choice: MachineChoice) -> str:
    """Write the GPU of a machine type: "4 × NVIDIA L4, 24 GB each", "None"."""
    if not choice.gpu:
        return "None"
    if choice.gpus > 1:
        return f"{choice.gpus} × {choice.gpu}, {choice.gpu_memory_gb} GB each"
    return f"{choice.gpu}, {choice.gpu_memory_gb} GB"


def processor(choice: MachineChoice) -> str:
    """Write processor and memory of a machine type: "16 vCPUs, 64 GB"."""
    return f"{choice.vcpus} vCPUs, {choice.memory_gb:,} GB"


def price(quote: Quote | None, purchase: Purchase) -> str:
    """Write what a machine costs per hour when bought like that, "" if nobody knows."""
    usd = quote.hourly_usd(purchase) if quote else None
    return "" if usd is None else hourly(usd)


_GAP = "    "


def suggestion(name: str, about: str) -> str:
    """Write an entry of a list of suggestions: a value, and something about it that `chosen` takes off again.

    Blender 4.2 to 5.0 take a description besides the value, and never show it.
    """
    return f"{name}{_GAP}{about}" if about else name


def chosen(text: str) -> str:
    """Return the value that was typed or chosen from suggestions."""
    return text.strip().partition(_GAP)[0].strip()


def names(text: str) -> tuple[str, ...]:
    """Return the names in a text with commas between them, each once.

    >>> names("g6.xlarge, g5.xlarge,, g6.xlarge")
    ('g6.xlarge', 'g5.xlarge')
    """
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))


def any_of(machine_types: Sequence[str]) -> str:
    """Write which machine type is rented, or which ones will do: "g6.xlarge or g5.xlarge", "g6.xlarge or 2 others"."""
    first, *others = machine_types
    if len(others) > 1:
        return f"{first} or {len(others)} others"
    return " or ".join(machine_types)


def prices(quotes: Iterable[Quote | None], purchase: Purchase) -> str:
    """Write what a machine costs that is one of these, as far as somebody knows: "$0.214/h", "$0.214 to $0.356/h"."""
    known = sorted(usd for quote in quotes if quote and (usd := quote.hourly_usd(purchase)) is not None)
    if not known or f"{known[0]:.3f}" == f"{known[-1]:.3f}":
        return hourly(known[0]) if known else ""
    return f"${known[0]:.3f} to {hourly(known[-1])}"


def in_list(choice: MachineChoice, quote: Quote | None, purchase: Purchase) -> str:
    """Describe a machine type in a list: "NVIDIA L4, 24 GB; 16 GB memory; $0.214/h"."""
    parts = [gpu(choice) if choice.gpu else f"{choice.vcpus} vCPUs", f"{choice.memory_gb:,} GB memory"]
    return "; ".join(filter(None, [*parts, price(quote, purchase)]))


def short_estimate(estimate: Estimate | None) -> str:
    """Write what a job will probably take in a few characters: "$0.12, 25 min"; or what will tell."""
    if estimate is None:
        return "Price not known"
    if estimate.usd is None or estimate.seconds is None:
        return "After a first render"
    return f"{money(estimate.usd)}, {about(estimate.seconds)}"


def estimated(estimate: Estimate) -> str:
    """Write what a job will probably take: "About $0.12 in 25 min"; or what is known of it."""
    if estimate.usd is None or estimate.seconds is None:
        return f"{hourly(estimate.hourly_usd)}; time not known yet"
    return f"About {money(estimate.usd)} in {about(estimate.seconds)}{data_out(estimate.data_out_usd)}"


def data_out(usd: float | None) -> str:
    """Write what the frames' way back adds to a cost: ", + up to $0.11 data"; "" if that is not worth a word."""
    return f", + up to {money(usd)} data" if usd is not None and worth_a_word(usd) else ""


def short_limits(max_cost: float | None, max_hours: float) -> str:
    """Write the limits of a job in a few characters: "$5.00 or 8 h"."""
    return f"{money(max_cost)} or {max_hours:g} h" if max_cost else f"{max_hours:g} h"


def limits(max_cost: float | None, max_hours: float) -> str:
    """Write the limits of a job: "$5.00 or 8 hours"."""
    hours = f"{max_hours:g} hour{'s' if max_hours != 1 else ''}"
    return f"{money(max_cost)} or {hours}" if max_cost else f"{hours}, no limit on cost"
