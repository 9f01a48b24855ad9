# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file and the preferences say, and the words of all that is registered, in real Blenders."""

from __future__ import annotations

import pytest

from tests.blender_ui.case_names import cases_of
from tests.blender_ui.host import VERSIONS, run_in_blender

pytestmark = pytest.mark.blender

_SCRIPT = "settings_in_blender.py"


@pytest.fixture(scope="module", params=VERSIONS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return dict(run_in_blender(request.param, tmp_path_factory.mktemp("home"), _SCRIPT))


@pytest.mark.parametrize("case", cases_of(_SCRIPT))
def test_settings(outcome: dict[str, str], case: str) -> None:
    assert outcome[case] == "", f"\n{outcome[case]}"
