# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that panels in Blender have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudrender_addon.backend.job.estimate import Estimate
from tests.unit.without_bpy import ui_module

texts = ui_module("texts")


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0.00"), (0.0042, "$0.004"), (0.0096, "$0.01"), (0.126, "$0.13"), (1234.5, "$1,234.50")]
)
def test_money(usd: float, text: str) -> None:
    assert texts.money(usd) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "5 s"), (43, "45 s"), (58, "1 min"), (700, "12 min"), (5990, "100 min"), (12600, "3.5 h")]
)
def test_about(seconds: float, text: str) -> None:
    assert texts.about(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "now"), (59, "now"), (60, "1 min"), (7300, "2 h"), (90_000, "1 d"), (900_000, "10 d")]
)
def test_age(seconds: float, text: str) -> None:
    assert texts.age(seconds) == text


def test_what_is_typed_stays_as_it_is() -> None:
    assert texts.chosen(" my profile ") == "my profile"
    assert texts.suggestion("a profile", "") == "a profile"


def test_names_with_commas_between_them() -> None:
    assert texts.names(" g6.xlarge,g5.xlarge ,, g6.xlarge") == ("g6.xlarge", "g5.xlarge")
    assert texts.names(" , ") == ()


def test_an_estimate_or_what_will_tell() -> None:
    known = Estimate(hourly_usd=0.2, seconds=1500.0, usd=0.123)
    assert (texts.estimated(known), texts.short_estimate(known)) == ("About $0.12 in 25 min", "$0.12, 25 min")
    large = replace(known, data_out_usd=0.4)
    assert texts.estimated(large) == "About $0.12 in 25 min, + up to $0.40 data"
    assert texts.estimated(replace(known, data_out_usd=0.004)) == texts.estimated(known)
    unknown = Estimate(hourly_usd=0.2, seconds=None, usd=None)
    assert texts.estimated(unknown) == "$0.200/h; time not known yet"
    assert texts.short_estimate(unknown) == "After a first render"
    assert texts.short_estimate(None) == "Price not known"


def test_limits() -> None:
    assert texts.limits(5.0, 8.0) == "$5.00 or 8 hours"
    assert texts.limits(None, 1.0) == "1 hour, no limit on cost"
    assert (texts.short_limits(5.0, 1.5), texts.short_limits(None, 8.0)) == ("$5.00 or 1.5 h", "8 h")
