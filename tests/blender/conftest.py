# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blenders that these tests are run with, one after the other."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", params=["4.2.23", "5.0.1"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param
