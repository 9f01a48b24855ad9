# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Blender's release site, before a machine is rented, whether there is such a Blender at all."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from http import HTTPStatus

from .errors import UsageError

_SECONDS = 3.0


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
