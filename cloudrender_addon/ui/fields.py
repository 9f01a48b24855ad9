# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that a file has, and the preferences have as defaults for new files: names, tooltips, bounds, lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import machine_texts, texts
from .session import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bpy.types import Context

    from ..backend.setting_values import Purchase, Send

PURCHASES: dict[str, Purchase] = {
    "SPOT": "spot",
    "SPOT_THEN_ON_DEMAND": "spot-then-on-demand",
    "ON_DEMAND": "on-demand",
}

SENDS: dict[str, Send] = {"USED": "used", "FOLDER": "folder"}

MACHINE_TYPE_DEFAULT = "g4dn.xlarge"
PURCHASE_DEFAULT = "SPOT"
SEND_DEFAULT = "USED"
MAX_COST_DEFAULT = 0.0
MAX_HOURS_DEFAULT = 8.0
WAIT_MINUTES_DEFAULT = 10.0
MAX_LAUNCHES_DEFAULT = 4
OUTPUT_DEFAULT = "//out/"


def _machine_types(owner: Any, _context: Context, _typed: str) -> Iterator[str]:
    from ..backend.aws.choices import CHOICES  # noqa: PLC0415 - of no use before somebody looks

    purchase = PURCHASES[getattr(owner, "purchase", None) or owner.default_purchase]
    for choice in CHOICES:
        yield texts.suggestion(choice.name, machine_texts.in_list(choice, SESSION.quotes.get(choice.name), purchase))


def _more_types(owner: Any, context: Context, typed: str) -> Iterator[str]:
    """Suggest one more type after those that were typed, up to the last comma."""
    names = texts.names(typed.rpartition(",")[0])
    for entry in _machine_types(owner, context, typed):
        if texts.chosen(entry) not in names:
            yield ", ".join([*names, entry])


def value_alone(name: str) -> Callable[[Any, Context], None]:
    """Return what keeps the property of that name free of what suggestions say besides their value."""

    def update(owner: Any, _context: Context) -> None:
        value = getattr(owner, name)
        if (alone := texts.chosen(value)) != value:
            setattr(owner, name, alone)

    return update


MACHINE_TYPE: dict[str, Any] = {
    "name": "Type",
    "description": "Machine to rent, by Amazon's name. Those with a GPU render fastest; any Intel or AMD type works",
    "search": _machine_types,
    "search_options": {"SUGGESTION"},
    "options": set(),
}

MORE_TYPES: dict[str, Any] = {
    "name": "Alternatives",
    "description": "Further types that will do as well, with commas between them. The more there are, the sooner a "
    "machine is found and the longer Amazon leaves it to you",
    "search": _more_types,
    "search_options": {"SUGGESTION"},
    "options": set(),
}

PURCHASE: dict[str, Any] = {
    "name": "Purchase",
    "description": "How the machine is paid for",
    "items": (
        ("SPOT", "Spot", "Cheapest. Amazon may take the machine back; the missing frames then go on with another one"),
        (
            "SPOT_THEN_ON_DEMAND",
            "Spot, Then On-Demand",
            "Cheapest machine if there is one to be had, otherwise one at the full price",
        ),
        ("ON_DEMAND", "On-Demand", "Full price. The machine is never taken back"),
    ),
    "options": set(),
}

SEND: dict[str, Any] = {
    "name": "Send",
    "description": "Which files go to the machine with the .blend",
    "items": (
        (
            "USED",
            "Used Files",
            "What the scene uses, wherever it lies on this computer. Blender looks for it in the background",
        ),
        (
            "FOLDER",
            "Whole Project Folder",
            "Everything in the folder of the file, for scenes whose scripts read files, and nothing from elsewhere",
        ),
    ),
    "options": set(),
}

MAX_COST: dict[str, Any] = {
    "name": "Max Cost ($)",
    "description": "End the job when it has cost this much, in US dollars; finished frames stay. 0 is no limit",
    "min": 0.0,
    "max": 100_000.0,
    "soft_max": 100.0,
    "precision": 2,
    "step": 100,
    "options": set(),
}

MAX_HOURS: dict[str, Any] = {
    "name": "Max Hours",
    "description": "End the job after this many hours; finished frames stay. The machine ends itself then, even if "
    "this computer is off",
    "min": 0.1,
    "max": 168.0,
    "soft_max": 24.0,
    "precision": 1,
    "step": 100,
    "options": set(),
}

WAIT_MINUTES: dict[str, Any] = {
    "name": "Wait Minutes",
    "description": "How many minutes to go on asking while Amazon has no such machine to give. Waiting costs nothing",
    "min": 0.0,
    "max": 1440.0,
    "soft_max": 240.0,
    "precision": 0,
    "step": 500,
}

MAX_LAUNCHES: dict[str, Any] = {
    "name": "Max Machines",
    "description": "How many machines a job may have, one after another. A new one goes on with the missing frames "
    "when Amazon has taken one back",
    "min": 1,
    "max": 50,
}

KEEP_MINUTES: dict[str, Any] = {
    "name": "Keep Minutes",
    "description": "How many minutes the machine stays up after a job, billed: the next job uses it, or you log in "
    "and see what went wrong. 0 ends it at once",
    "min": 0.0,
    "max": 1440.0,
    "soft_max": 240.0,
    "precision": 0,
    "step": 500,
}

OUTPUT: dict[str, Any] = {
    "name": "Output",
    "description": "Folder on this computer the frames are saved in. Two slashes at the start stand for the folder "
    "of the file",
    "subtype": "DIR_PATH",
}


def types_of(*typed: str) -> tuple[str, ...]:
    """Return the machine types that were typed into these fields; never empty."""
    return texts.names(",".join(typed).lower()) or (MACHINE_TYPE_DEFAULT,)


def as_settings(
    *, machine_types: Sequence[str], purchase: str, send: str, max_cost: float, max_hours: float
) -> dict[str, object]:
    """Return these fields as `load_settings` takes them."""
    # RNA's numbers have 32 bits: 0.1 is 0.10000000149 there.
    return {
        "instance_type": ",".join(machine_types),
        "purchase": PURCHASES[purchase],
        "send": SENDS[send],
        "max_cost": round(max_cost, 2) or "none",
        "max_hours": round(max_hours, 3),
    }
