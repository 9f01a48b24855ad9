# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that Cloudrender needs, as policies to attach to an AWS user: the `iam-policy*.json` beside this file."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def policy_text() -> str:
    """Return the policy for rendering as JSON, ready for the IAM console."""
    return (_HERE / "iam-policy.json").read_text(encoding="utf-8")


def images_policy_text() -> str:
    """Return the policy that who makes machine images needs besides, likewise: a render needs none of it."""
    return (_HERE / "iam-policy-images.json").read_text(encoding="utf-8")
