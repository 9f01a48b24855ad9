# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Blenders can be asked for, before a machine is rented: as written, and by what Blender's release site has."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from http import HTTPStatus

from .errors import UsageError

OLDEST_BLENDER = (4, 2)
_SECONDS = 3.0


def series_of(version: str) -> tuple[int, int]:
    """Return the series of a version or series as it was typed ("4.2.3", "4.2").

    Raises `UsageError` for what is neither, or too old.
    """
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", version, re.ASCII):
        raise UsageError(f"{version!r} is not a Blender version", hint="Write it as 4.2 or 4.2.3")
    major, minor = (int(number) for number in version.split(".")[:2])
    if (major, minor) < OLDEST_BLENDER:
        raise UsageError(f"Blender {version} is too old for cloudrender", hint="Use 4.2 or newer")
    return major, minor


def check_released(version: str, *, mirror: str) -> None:
    """Raise `UsageError` if the mirror says that it has no Blender `version` ("4.2" or "4.2.3").

    Whatever else it answers, or if it cannot be reached from here, the machine will see: it may have another way there.
    """
    series = ".".join(version.split(".")[:2])
    archive = f"blender-{version}-linux-x64.tar.xz" if version != series else ""
    try:
        # The URL is a setting of the user.
        request = urllib.request.Request(f"{mirror.rstrip('/')}/Blender{series}/{archive}", method="HEAD")  # noqa: S310
        request.add_header("User-Agent", "cloudrender")
        urllib.request.urlopen(request, timeout=_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as answer:
        answer.close()
        if answer.code == HTTPStatus.NOT_FOUND:
            raise UsageError(
                f"There is no Blender {version} for Linux at {mirror}", hint="Choose a released one with --blender"
            ) from answer
    except (OSError, ValueError, http.client.HTTPException):
        return
