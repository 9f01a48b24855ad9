# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine types with an ARM processor (AWS's Graviton), for which there is no Blender, told by their names."""

from __future__ import annotations

import re

from ..errors import ConfigError, UsageError

_ARM = re.compile(r"(a1|[a-z]+\d+g[a-z]*|p6e-.*)(\..*)?")
"""A g behind the number: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html"""

_COUNTERPART = re.compile(r"([cmr])([6-8])g[a-z]*(\..*)?")
_SIZES_WITHOUT = (".medium", ".metal")


def is_arm(name: str) -> bool:
    """Tell whether a machine type ("c7g.large") or family ("c7g") has an ARM processor.

    >>> [is_arm(name) for name in ("c7g.large", "m8gd", "g5g.xlarge", "g5.xlarge", "g4dn", "x2gd.metal", "mac2.metal")]
    [True, True, True, False, False, True, False]
    """
    return _ARM.fullmatch(name.lower()) is not None


def no_blender(name: str) -> ConfigError:
    """Return the error for such a machine type."""
    return ConfigError(_cause(name), hint=f"Use a Type (-c) with an Intel or AMD processor, such as {_instead(name)}")


def no_image(family: str) -> UsageError:
    """Return the error for an image of such a family."""
    return UsageError(_cause(family), hint=f"Choose a family with Intel or AMD processors, such as {_instead(family)}")


def _cause(name: str) -> str:
    return f"{name} has a Graviton (ARM) processor, for which Blender is not released on Linux"


def _instead(name: str) -> str:
    """Return what is most like it: that of Intel in the same generation, or machines with a GPU."""
    size = "." in name
    found = _COUNTERPART.fullmatch(name.lower())
    if not found:
        return "g4dn.xlarge or c7i.4xlarge" if size else "g4dn or c7i"
    same = f"{found[1]}{found[2]}i"
    if size:
        same += ".large" if (found[3] or "").startswith(_SIZES_WITHOUT) else found[3]
    return f"{same} or {'g4dn.xlarge' if size else 'g4dn'}"
