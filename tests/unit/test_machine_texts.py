# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine types in the words of the panels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.aws.choices import CHOICES
from cloudrender_addon.backend.farms.quotes import Quote
from tests.unit.without_bpy import ui_module

texts, machine_texts = ui_module("texts"), ui_module("machine_texts")

QUOTE = Quote(spot_usd=0.2, on_demand_usd=0.5, extras_usd=0.014)
CHOICE = {choice.name: choice for choice in CHOICES}


def test_machines_in_words() -> None:
    assert machine_texts.gpu(CHOICE["g6.xlarge"]) == "NVIDIA L4, 24 GB"
    assert machine_texts.gpu(CHOICE["g6.12xlarge"]) == "4 × NVIDIA L4, 24 GB each"
    assert machine_texts.gpu(CHOICE["c7i.4xlarge"]) == "None"
    assert machine_texts.in_list(CHOICE["g6.xlarge"], QUOTE, "spot") == "NVIDIA L4, 24 GB; 16 GB memory; $0.214/h"
    assert machine_texts.in_list(CHOICE["c7i.4xlarge"], None, "spot") == "16 vCPUs; 32 GB memory"


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_what_is_chosen_from_the_list_is_the_type_alone(choice: Any) -> None:
    assert texts.chosen(texts.suggestion(choice.name, machine_texts.in_list(choice, QUOTE, "spot"))) == choice.name


@pytest.mark.parametrize(
    ("quote", "purchase", "text"),
    [
        (QUOTE, "spot", "$0.214/h"),
        (QUOTE, "on-demand", "$0.514/h"),
        (replace(QUOTE, spot_usd=None), "spot-then-on-demand", "$0.514/h"),
        (replace(QUOTE, spot_usd=None), "spot", ""),
        (None, "spot", ""),
    ],
)
def test_a_price_is_all_that_is_billed(quote: Quote | None, purchase: str, text: str) -> None:
    assert machine_texts.price(quote, purchase) == text


@pytest.mark.parametrize(
    ("types", "text"),
    [
        (("g6.xlarge",), "g6.xlarge"),
        (("g6.xlarge", "g5.xlarge"), "g6.xlarge or g5.xlarge"),
        (("g6.xlarge", "g5.xlarge", "g4dn.xlarge"), "g6.xlarge or 2 others"),
    ],
)
def test_any_of_several_machines_will_do(types: tuple[str, ...], text: str) -> None:
    assert machine_texts.any_of(types) == text


def test_several_machines_have_the_prices_that_are_known() -> None:
    dearer = replace(QUOTE, spot_usd=0.3)
    assert machine_texts.prices([QUOTE], "spot") == machine_texts.prices([QUOTE, None, QUOTE], "spot") == "$0.214/h"
    assert machine_texts.prices([dearer, QUOTE, replace(QUOTE, spot_usd=None)], "spot") == "$0.214 to $0.314/h"
    assert machine_texts.prices([None], "spot") == ""
