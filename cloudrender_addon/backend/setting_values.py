# SPDX-License-Identifier: GPL-3.0-or-later
"""What each setting may be: the words and numbers that are taken for it, from a file, the environment or a flag."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from .errors import ConfigError

Purchase = Literal["spot", "spot-then-on-demand", "on-demand"]
PURCHASES: tuple[Purchase, ...] = get_args(Purchase)
"""How a machine is bought: spot is cheap and may be taken back; on-demand stays, at the full price."""

Send = Literal["used", "folder"]
SENDS: tuple[Send, ...] = get_args(Send)
"""What is sent: the files that the .blend uses, wherever they are, or all of the project's folder."""


def convert(name: str, value: object, *, where: str) -> object:
    """Turn what was written for a setting into its value; `where` says where that was. Raises `ConfigError`."""
    converter = _CONVERTERS.get(name)
    if converter is None:
        near = " or ".join(difflib.get_close_matches(name, _CONVERTERS, n=2))
        known = f"he settings are: {', '.join(sorted(_CONVERTERS))}"
        raise ConfigError(
            f"There is no setting {name!r} ({where})", hint=f"Perhaps {near}; t{known}" if near else f"T{known}"
        )
    try:
        return converter(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{value!r} is not a usable {name.replace('_', ' ')} ({where})", hint=str(error)) from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or any(ord(c) < 32 for c in value):
        raise ValueError("It must be a text of one line")
    return value.strip()


def _list(pattern: str, example: str) -> Callable[[object], str]:
    """Take one or several names, joined by commas, each once."""

    def convert(value: object) -> str:
        names = [name.strip().lower() for name in _text(value).split(",") if name.strip()]
        if not names or not all(re.fullmatch(pattern, name) for name in names):
            raise ValueError(f"It must be one or several like {example}, with commas between them")
        return ",".join(dict.fromkeys(names))

    return convert


def _url(value: object) -> str:
    text = _text(value)
    if not text.startswith(("https://", "http://")):
        raise ValueError("It must start with https:// or http://")
    return text.rstrip("/")


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser()


def _number(low: float, high: float) -> Callable[[object], float]:
    def convert(value: object) -> float:
        problem = f"It must be a number from {low:g} to {high:g}"
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(problem)
        try:
            number = float(value)
        except ValueError as error:
            raise ValueError(problem) from error
        if not low <= number <= high:
            raise ValueError(problem)
        return number

    return convert


def _cost(value: object) -> float | None:
    # "none" lifts a limit that the configuration file sets.
    if value == "none":
        return None
    try:
        return _number(0.01, 100_000)(value)
    except ValueError as error:
        raise ValueError(f'{error}, or "none"') from error


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def convert(value: object) -> str:
        for word in words:
            if value == word:
                return word
        raise ValueError(f"It must be one of: {', '.join(words)}")

    return convert


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false", "1", "0"}:
        return value.lower() in {"true", "1"}
    raise ValueError("It must be true or false")


def _whole(low: int, high: int) -> Callable[[object], int]:
    def convert(value: object) -> int:
        number = _number(low, high)(value)
        if number != int(number):
            raise ValueError("It must be a whole number")
        return int(number)

    return convert


_CONVERTERS: dict[str, Callable[[object], object]] = {
    "profile": _text,
    "region": _list(r"[a-z]{2,4}(-[a-z]+)+-\d+", "eu-central-1"),
    "instance_type": _list(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "g5.xlarge"),
    "purchase": _one_of(PURCHASES),
    "image": _text,
    "ssh_user": _text,
    "ssh_port": _whole(1, 65535),
    "subnet": _text,
    "security_group": _text,
    "mirror": _url,
    "checkip_url": _url,
    "home": _path,
    "max_hours": _number(0.001, 168),
    "max_cost": _cost,
    "lease_minutes": _number(0.05, 240),
    "boot_minutes": _number(0.05, 60),
    "wait_minutes": _number(0, 1440),
    "max_launches": _whole(1, 50),
    "move_minutes": _number(0, 10_080),
    "keep_minutes": _number(0, 1440),
    "send": _one_of(SENDS),
    "local_blender": _path,
    "fresh_machine": _switch,
}
