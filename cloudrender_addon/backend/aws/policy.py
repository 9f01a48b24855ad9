# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that Cloudrender needs, as a policy to attach to an AWS user: `iam-policy.json` beside this file."""

from __future__ import annotations

from pathlib import Path


def policy_text() -> str:
    """Return the policy as JSON, ready for the IAM console."""
    return Path(__file__).with_name("iam-policy.json").read_text(encoding="utf-8")
