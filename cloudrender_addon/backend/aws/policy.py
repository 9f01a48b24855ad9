# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that Cloudrender needs, as policies to attach to an AWS user: the `iam-policy*.json` beside this file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PermissionsError

if TYPE_CHECKING:
    from .session import Account

_HERE = Path(__file__).parent


def policy_text() -> str:
    """Return the policy for rendering as JSON, ready for the IAM console."""
    return (_HERE / "iam-policy.json").read_text(encoding="utf-8")


def images_policy_text() -> str:
    """Return the policy that who makes machine images needs besides, likewise.

    A render needs none of it, unless its image is encrypted with a KMS key of somebody's own.
    """
    return (_HERE / "iam-policy-images.json").read_text(encoding="utf-8")


@contextmanager
def calling_for_images(account: Account, action: str) -> Iterator[None]:
    """Translate what botocore raises; a missing right is one that the policy for rendering does not give."""
    try:
        with account.calling(action):
            yield
    except PermissionsError as error:
        error.hint = (
            "Attach to your AWS user, besides the policy for rendering, that of Copy Images Policy "
            "(`cloudrender policy --images`), or ask whoever runs the account"
        )
        raise
