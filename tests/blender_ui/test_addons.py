# SPDX-License-Identifier: GPL-3.0-or-later
"""Which add-ons a file needs, and which of them can go along, in real Blenders."""

from __future__ import annotations

import pytest

from tests.blender_ui.case_names import cases_of
from tests.blender_ui.host import VERSIONS, run_in_blender
from tests.blender_ui.sample_addons import make_all

pytestmark = pytest.mark.blender

_SCRIPT = "addons_in_blender.py"


@pytest.fixture(scope="module", params=VERSIONS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    make_all(home)
    return dict(run_in_blender(request.param, home, _SCRIPT))


@pytest.mark.parametrize("case", cases_of(_SCRIPT))
def test_addons(outcome: dict[str, str], case: str) -> None:
    assert outcome[case] == "", f"\n{outcome[case]}"
