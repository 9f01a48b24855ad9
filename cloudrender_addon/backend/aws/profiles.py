# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles of the user's AWS configuration: their names and kinds, never a secret.

Read without botocore, whose import takes too long for a list in the preferences. Format:
https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html
"""

from __future__ import annotations

import configparser
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["sso", "login", "role", "process", "keys", "other"]

# By a key that the profile has, in the order in which one beats the other.
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("role_arn", "role"),
    ("sso_session", "sso"),
    ("sso_start_url", "sso"),
    ("login_session", "login"),
    ("aws_access_key_id", "keys"),
    ("credential_process", "process"),
)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile: `region` is None where it names none, `kind` says where its credentials come from."""

    name: str
    region: str | None
    kind: Kind


@dataclass(frozen=True, kw_only=True)
class ProfileList:
    """The profiles in order of name, "default" first; `problem` says why none could be read, else ""."""

    profiles: tuple[Profile, ...] = ()
    problem: str = ""


def list_profiles(environ: Mapping[str, str]) -> ProfileList:
    """Read ~/.aws/config and ~/.aws/credentials, or the files `environ` names instead. Never raises.

    A file that AWS's own tools could not read either gives no profile and a problem; a missing one is none.
    """
    merged: dict[str, dict[str, str]] = {}
    for variable, usual, named in (
        ("AWS_CONFIG_FILE", "~/.aws/config", _in_config),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", _in_credentials),
    ):
        path = Path(os.path.expandvars(environ.get(variable) or usual)).expanduser()
        try:
            sections = _read(path)
            for section, values in sections.items():
                if (name := named(section)) is not None:
                    merged.setdefault(name, {}).update(values)
        except (OSError, ValueError, configparser.Error) as error:
            # Not the error's own text: it quotes the line, which may hold a secret.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else _where(error)
            return ProfileList(problem=f"{path} cannot be read: {reason}")
    names = sorted(merged, key=lambda name: (name != "default", name))
    return ProfileList(
        profiles=tuple(
            Profile(name=name, region=merged[name].get("region") or None, kind=_kind(merged[name])) for name in names
        )
    )


def _read(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _in_config(section: str) -> str | None:
    """Return the profile's name; None for sections that are none ("sso-session …", "services …")."""
    if section == "default":
        return section
    try:
        words = shlex.split(section)
    except ValueError:  # a quote left open: AWS's own tools pass over it too
        return None
    return words[1] if len(words) == 2 and words[0] == "profile" else None


def _in_credentials(section: str) -> str:
    return section


def _kind(values: Mapping[str, str]) -> Kind:
    return next((kind for key, kind in _KINDS if key in values), "other")


def _where(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    if line is None and isinstance(error, configparser.ParsingError) and error.errors:
        line = error.errors[0][0]
    return f"line {line} is not as it should be" if line else "it is not a text file of sections and values"
