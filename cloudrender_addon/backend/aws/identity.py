# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the credentials of this computer belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Account


@dataclass(frozen=True, kw_only=True)
class Identity:
    """An account's number (12 digits) and who acts in it: "user anna", "role Render", "root user"."""

    account: str
    name: str

    @property
    def root(self) -> bool:
        """Whether these are the keys to the whole account."""
        return self.name == "root user"


def who(account: Account) -> Identity:
    """Ask AWS who is calling; nobody needs a right for that. Raises `CredentialsError`, `CloudError`."""
    with account.calling("sts:GetCallerIdentity"):
        answer = account.sts.get_caller_identity()
    return Identity(account=answer["Account"], name=_name(answer["Arn"]))


def _name(arn: str) -> str:
    """Say who an ARN is. Forms: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html."""
    kind, _, path = arn.rpartition(":")[2].partition("/")
    match kind:
        case "root":
            return "root user"
        case "assumed-role":  # …/ROLE/SESSION
            return f"role {path.partition('/')[0]}"
        case "user":  # …/PATH/OF/ANY/DEPTH/NAME
            return f"user {path.rpartition('/')[2]}"
    return f"{kind} {path}".strip()
