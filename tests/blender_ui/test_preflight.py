# SPDX-License-Identifier: GPL-3.0-or-later
"""What would go wrong with a cloud render of a file, in real Blenders."""

from __future__ import annotations

import pytest

from tests.blender_ui.case_names import cases_of
from tests.blender_ui.host import VERSIONS, run_in_blender

pytestmark = pytest.mark.blender

_SCRIPT = "preflight_in_blender.py"
_CASES = [*cases_of("preflight_scene_cases.py"), *cases_of("preflight_places_cases.py")]


@pytest.fixture(scope="module", params=VERSIONS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return dict(run_in_blender(request.param, tmp_path_factory.mktemp("home"), _SCRIPT))


@pytest.mark.parametrize("case", _CASES)
def test_preflight(outcome: dict[str, str], case: str) -> None:
    assert outcome[case] == "", f"\n{outcome[case]}"
