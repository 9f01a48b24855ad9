# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent of the open file, and Check Snapshot, in real Blenders without a window."""

from __future__ import annotations

import pytest

from tests.blender_ui.case_names import cases_of
from tests.blender_ui.host import VERSIONS, run_in_blender

pytestmark = [pytest.mark.blender, pytest.mark.timeout(600)]

_SCRIPT = "sending_in_blender.py"
_SECONDS = 500.0
"""A case starts up to six Blenders."""


@pytest.fixture(scope="module", params=[version for version in VERSIONS if not version.startswith("4.5")])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return dict(run_in_blender(request.param, tmp_path_factory.mktemp("home"), _SCRIPT, seconds=_SECONDS))


@pytest.mark.parametrize("case", cases_of(_SCRIPT))
def test_sending(outcome: dict[str, str], case: str) -> None:
    assert outcome[case] == "", f"\n{outcome[case]}"
