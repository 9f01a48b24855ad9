# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: a configuration file, overridden by the environment, overridden by flags."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from .errors import ConfigError, UsageError

Purchase = Literal["spot", "spot-then-on-demand", "on-demand"]
PURCHASES: tuple[Purchase, ...] = get_args(Purchase)
"""How a machine is bought: spot is cheap and may be taken back; on-demand stays, at the full price."""

Send = Literal["used", "folder"]
SENDS: tuple[Send, ...] = get_args(Send)
"""What is sent: the files that the .blend uses, wherever they are, or all of the project's folder."""

_PREFIX = "CLOUDRENDER_"
_CONFIG = f"{_PREFIX}CONFIG"
"""The one variable that is no setting: where the configuration file is."""


# Imports in functions here: a Blender that starts has no use for them yet, and its user waits.


def _default_home() -> Path:
    import platformdirs  # noqa: PLC0415

    return platformdirs.user_data_path("cloudrender")


def _default_config() -> Path:
    import platformdirs  # noqa: PLC0415

    return platformdirs.user_config_path("cloudrender") / "config.toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a user can set once, with its default. Each field is also CLOUDRENDER_FIELD in the environment.

    `profile` and `region` default to what the AWS configuration says. `instance_type` and `region` may be several,
    joined by commas: any of the types will do, the regions are tried in turn. `image` is an AMI id, "auto"
    (one made by `cloudrender image build`, else AWS's) or "public" (AWS's).
    `subnet` is a subnet id, or None for the default VPC; `security_group` is a group of that network, used as it is,
    or None for one made for each launch. `mirror` is the base URL of Blender's releases, `checkip_url` answers
    with the caller's public address. `home` holds the job records.
    `lease_minutes` is how long a machine waits, without work, for somebody to fetch its frames.
    `move_minutes` is what leaving a machine as AWS recommends (the rebalance recommendation) has to be worth.
    `keep_minutes` is how long the machine stays up after the end of a job that was not cancelled, to be looked at.
    `wait_minutes` is how long to go on asking while AWS has no machine to give, `max_launches` how many machines a job
    may have one after another. `fresh_machine` rents the first, too, though another job keeps one that would do.
    `max_hours` and `max_cost` (USD, None: no limit) end the job.
    `send` is what is sent; for "used" a Blender of this computer is asked: `local_blender`, or the one that is found.
    """

    profile: str | None = None
    region: str | None = None
    instance_type: str = "g4dn.xlarge"
    purchase: Purchase = "spot"
    image: str = "auto"
    ssh_user: str = "ubuntu"
    ssh_port: int = 22
    subnet: str | None = None
    security_group: str | None = None
    mirror: str = "https://download.blender.org/release"
    checkip_url: str = "https://checkip.amazonaws.com"
    home: Path = dataclasses.field(default_factory=_default_home)
    max_hours: float = 8.0
    max_cost: float | None = None
    lease_minutes: float = 30.0
    boot_minutes: float = 10.0
    wait_minutes: float = 10.0
    max_launches: int = 4
    move_minutes: float = 10.0
    keep_minutes: float = 0.0
    send: Send = "used"
    local_blender: Path | None = None
    fresh_machine: bool = False

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The machine types, any of which will do."""
        return tuple(self.instance_type.split(","))

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions to try in turn; none: what the AWS configuration says."""
        return tuple(self.region.split(",")) if self.region else ()


def load_settings(*, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Merge configuration file, environment and flags (None: not given). Raises `ConfigError`, `UsageError` for a flag.

    The file is `CLOUDRENDER_CONFIG`, or config.toml in the user's configuration folder; it need not exist.
    """
    path = Path(environ.get(_CONFIG) or _default_config())
    values: dict[str, Any] = {}
    for name, value in _read_file(path).items():
        values[name] = _convert(name, value, where=f"in {path}")
    for variable, text in environ.items():
        if text and variable.startswith(_PREFIX) and variable != _CONFIG:
            name = variable.removeprefix(_PREFIX).lower()
            values[name] = _convert(name, text, where=f"in the environment variable {variable}")
    for name, value in flags.items():
        if value is not None:
            try:
                values[name] = _convert(name, value, where=f"given as {_flag(name)}")
            except ConfigError as error:
                raise UsageError(error.message, hint=error.hint) from error
    return Settings(**values)


def _flag(name: str) -> str:
    """Return how a setting is called on the command line."""
    return {"instance_type": "-c", "keep_minutes": "--keep"}.get(name, f"--{name.replace('_', '-')}")


def _read_file(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", hint="Correct that line, or delete the file") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="Check its permissions") from error


def _convert(name: str, value: object, *, where: str) -> object:
    convert = _CONVERTERS.get(name)
    if convert is None:
        near = " or ".join(difflib.get_close_matches(name, _CONVERTERS, n=2))
        known = f"he settings are: {', '.join(sorted(_CONVERTERS))}"
        raise ConfigError(
            f"There is no setting {name!r} ({where})", hint=f"Perhaps {near}; t{known}" if near else f"T{known}"
        )
    try:
        return convert(value)
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
