# SPDX-License-Identifier: GPL-3.0-or-later
"""The short list of `make smoke-aws`, against the stand-in: what is run on real AWS is known to work as a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cloud.command import Project
from tests.localcloud.cloud import Cloud
from tests.shortlist import CHECKS


@pytest.mark.blender
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_shortlist(cloud: Cloud, project: Project, check: Callable[[Project], None]) -> None:
    check(project)
