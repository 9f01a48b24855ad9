# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: a configuration file, overridden by the environment, overridden by flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ConfigError, UsageError
from .setting_values import Purchase, Send, convert

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
        values[name] = convert(name, value, where=f"in {path}")
    for variable, text in environ.items():
        if text and variable.startswith(_PREFIX) and variable != _CONFIG:
            name = variable.removeprefix(_PREFIX).lower()
            values[name] = convert(name, text, where=f"in the environment variable {variable}")
    for name, value in flags.items():
        if value is not None:
            try:
                values[name] = convert(name, value, where=f"given as {_flag(name)}")
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
