# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what botocore raises into Cloudrender's own errors, so that no botocore exception leaves this folder."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import CapacityError, CloudrenderError, PermissionsError, QuotaError
from .codes import CODES, EXPIRED, UNKNOWN, Meaning
from .exceptions import (
    EXCEPTIONS,
    NO_CREDENTIALS,
    NO_PROFILE,
    NO_PROFILE_CHOSEN,
    NO_SUCH_REGION,
    NOBODY_TO_ASK,
    NOTHING_SET_UP,
    UNKNOWN_EXCEPTION,
)
from .profiles import list_profiles
from .quotas import on_demand_quota, spot_quota
from .regions import REGIONS

_DENIED_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_ENCODED = re.compile(r"\s*Encoded authorization failure message: \S+")
_STILL_EXPIRED = "Credentials were refreshed, but the refreshed credentials are still expired"  # botocore has no class
_QUOTE_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a call is about: named in the error's text. Empty fields are spoken of in general."""

    region: str = ""
    profile: str = ""
    machine: str = ""
    on_demand: bool = False
    vcpus: int = 0
    image: str = ""
    subnet: str = ""

    def fields(self, *, action: str, code: str) -> dict[str, object]:
        quota = on_demand_quota(self.machine) if self.on_demand else spot_quota(self.machine)
        return {
            "action": action,
            "code": code,
            "region": self.region or "this region",
            "near": _near(self.region),
            "profile": self.profile or "default",
            "new_profile": self.profile or "cloudrender",
            "profiles": ", ".join(_profiles()),
            "profile_flag": f" --profile {self.profile}" if self.profile else "",
            "machine": self.machine or "such a",
            "purchase": "on-demand" if self.on_demand else "spot",
            "vcpus": self.vcpus or "some",
            "image": self.image or "asked for",
            "subnet": self.subnet or "asked for",
            "quota": f"“{quota.name}”" + (f" ({quota.code})" if quota.code else ""),
            "quota_url": quota.request_url(self.region),
        }


@contextmanager
def translated(action: str, *, about: Subject) -> Iterator[None]:
    """Turn botocore's exceptions into errors of the tree. `action` is the IAM action ("ec2:RunInstances")."""
    # Here and not above: whoever only reads a record must not pay for the import of botocore.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise _from_answer(error, action=action, about=about) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise _from_exception(error, action=action, about=about) from error
    except RuntimeError as error:
        if not str(error).startswith(_STILL_EXPIRED):
            raise
        raise explained(EXPIRED, about=about) from error
    except EOFError as error:  # botocore asks for the code in the terminal, where there may be none
        raise explained(NOBODY_TO_ASK, about=about) from error


def code_of(error: CloudrenderError) -> str:
    """Return the code AWS answered with, "" if the error is not an answer of AWS."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def denied_action(error: CloudrenderError) -> str:
    """Return the IAM action that AWS says is not allowed, "" if it does not say."""
    response = getattr(error.__cause__, "response", {})
    found = _DENIED_ACTION.search(str(response.get("Error", {}).get("Message", "")))
    return found.group(1) if found else ""


def certainly_refused(error: CloudrenderError) -> bool:
    """Tell whether AWS itself said no to a launch, so that nothing can have been started.

    A lost answer (timeout, 5xx) may hide a running machine. So may a refusal of a *repeated* request: the first
    one may have come through. Capacity and quota are refusals even then, since a repetition of a launch that
    worked is answered with the machine (same ClientToken).
    """
    response = getattr(error.__cause__, "response", None)
    if not isinstance(response, dict) or code_of(error) == "IdempotentParameterMismatch":
        return False
    if isinstance(error, CapacityError | QuotaError):
        return True
    metadata = response.get("ResponseMetadata", {})
    status, repetitions = int(metadata.get("HTTPStatusCode", 0)), int(metadata.get("RetryAttempts", 0))
    return 400 <= status < 500 and repetitions == 0


def _from_answer(error: Exception, *, action: str, about: Subject) -> CloudrenderError:
    response = getattr(error, "response", {})
    code = str(response.get("Error", {}).get("Code", "Unknown"))
    text = str(response.get("Error", {}).get("Message", ""))
    meaning = CODES.get(code, UNKNOWN)
    if meaning.kind is PermissionsError and (denied := _DENIED_ACTION.search(text)):
        action = denied.group(1)  # launching also needs ec2:CreateTags: AWS knows which one is missing
    details = [f"AWS: {_short(text)}"] if meaning.quote and text else []
    details.append(f"{code} from {action}, request {_request_id(response)}")
    return _compose(meaning, about.fields(action=action, code=code), details)


def _from_exception(error: Exception, *, action: str, about: Subject) -> CloudrenderError:
    names = (kind.__name__ for kind in type(error).__mro__)
    meaning = next((EXCEPTIONS[name] for name in names if name in EXCEPTIONS), UNKNOWN_EXCEPTION)
    name = type(error).__name__
    # Known by its silence alone: a region may be newer than the list that comes with botocore.
    if name == "EndpointConnectionError" and about.region and about.region not in known_regions():
        meaning = NO_SUCH_REGION
    meaning = _as_a_whole(meaning, about=about)
    # Only where the text is about settings: others may quote an address with a password in it.
    details = [_short(str(error))] if meaning.quote else []
    details.append(f"{name} from {action}")
    return _compose(meaning, about.fields(action=action, code=name), details)


def explained(meaning: Meaning, *, about: Subject) -> CloudrenderError:
    """Return the error for something that AWS does not call one."""
    return _compose(_as_a_whole(meaning, about=about), about.fields(action="", code=""), [])


def _as_a_whole(meaning: Meaning, *, about: Subject) -> Meaning:
    """Return the meaning of a lack of credentials where more than that is missing: one message tells of all of it."""
    if meaning not in (NO_CREDENTIALS, NO_PROFILE) or list_profiles(os.environ).problem:
        return meaning
    names = _profiles()
    if not names:
        return meaning if "AWS_ACCESS_KEY_ID" in os.environ else NOTHING_SET_UP
    return meaning if about.profile or "default" in names else NO_PROFILE_CHOSEN


def _profiles() -> tuple[str, ...]:
    return tuple(profile.name for profile in list_profiles(os.environ).profiles)


def known_regions() -> frozenset[str]:
    """Return the regions that botocore knows, of every partition (China, GovCloud …). No network."""
    import botocore.session  # noqa: PLC0415 - slow, as above

    session = botocore.session.Session()
    partitions = session.get_available_partitions()
    return frozenset(region for each in partitions for region in session.get_available_regions("ec2", each))


def _near(region: str) -> str:
    near = difflib.get_close_matches(region, REGIONS, n=3)
    return f": perhaps {' or '.join(near)}" if near else ", such as us-east-1 or eu-central-1"


def _compose(meaning: Meaning, fields: dict[str, object], details: list[str]) -> CloudrenderError:
    return meaning.kind(
        meaning.message.format_map(fields), hint=meaning.hint.format_map(fields), details=tuple(details)
    )


def _request_id(response: dict[str, dict[str, object]]) -> str:
    metadata = response.get("ResponseMetadata", {})
    return str(metadata.get("RequestId") or "without id")


def _short(text: str) -> str:
    """Return AWS's sentence on one line, without the encoded blob that only AWS can read."""
    line = " ".join(_ENCODED.sub("", text).split())
    return line if len(line) <= _QUOTE_CHARACTERS else line[: _QUOTE_CHARACTERS - 1] + "…"
