# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines cost: spot prices by EC2's history, on-demand prices by the Price List."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.aws.price_list import on_demand_prices
from cloudrender_addon.backend.aws.prices import disk_price, machine_price, spot_prices
from cloudrender_addon.backend.errors import CredentialsError, NotOfferedError, PermissionsError
from cloudrender_addon.backend.farms.quotes import Quote, quote
from cloudrender_addon.backend.settings import Settings
from tests.aws.aws_stage import Stage
from tests.localcloud import price_list

NAMES = ["g4dn.xlarge", "g6.xlarge", "c7i.4xlarge"]


def history(*entries: tuple[str, str, str, str]) -> str:
    items = "".join(
        f"<item><instanceType>{kind}</instanceType><productDescription>Linux/UNIX</productDescription>"
        f"<spotPrice>{price}</spotPrice><timestamp>{at}</timestamp><availabilityZone>{zone}</availabilityZone></item>"
        for kind, zone, at, price in entries
    )
    return (
        f"<DescribeSpotPriceHistoryResponse><spotPriceHistorySet>{items}</spotPriceHistorySet>"
        "</DescribeSpotPriceHistoryResponse>"
    )


def test_spot_price_is_the_newest_of_the_cheapest_zone(aws: Stage) -> None:
    entries = (
        ("g4dn.xlarge", "us-east-1a", "2026-01-02T00:00:00Z", "0.20"),
        ("g4dn.xlarge", "us-east-1a", "2026-01-01T00:00:00Z", "0.05"),  # cheaper, but over
        ("g4dn.xlarge", "us-east-1b", "2026-01-01T12:00:00Z", "0.16"),
        ("g4dn.xlarge", "us-east-1c", "2026-01-02T00:00:00Z", "0.30"),
        ("g6.xlarge", "us-east-1a", "2026-01-02T00:00:00Z", "0.40"),
    )
    aws.fault("ec2:DescribeSpotPriceHistory", body=history(*entries))
    assert spot_prices(aws.account(), NAMES) == {"g4dn.xlarge": 0.16, "g6.xlarge": 0.40}
    [(_, asked)] = aws.front.calls
    assert asked["ProductDescription.1"] == "Linux/UNIX"
    assert [asked[f"Filter.1.Value.{n}"] for n in (1, 2, 3)] == NAMES
    assert "StartTime" in asked


def test_spot_prices_of_all_types_take_one_call(aws: Stage) -> None:
    assert spot_prices(aws.account(), [*NAMES, "nope.large"]).keys() == set(NAMES)
    assert len(aws.front.calls) == 1
    assert spot_prices(aws.account(), []) == {}


def test_on_demand_price_is_that_of_plain_linux(aws: Stage) -> None:
    prices = on_demand_prices(aws.account(), [*NAMES, "nope.large"])
    assert prices == pytest.approx({"g4dn.xlarge": 0.526, "g6.xlarge": 0.805, "c7i.4xlarge": 0.7136})
    [(action, asked)] = aws.front.calls
    assert action == "pricing:GetProducts" and asked["ServiceCode"] == "AmazonEC2"


def test_on_demand_prices_of_many_types_come_in_batches_and_pages(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    monkeypatch.setattr(price_list, "_PAGE", 50)
    offers: list[dict[str, Any]] = INSTANCE_TYPE_OFFERINGS["region"]["us-east-1"]
    names = [offer["InstanceType"] for offer in offers if offer["InstanceType"].startswith(("c", "g"))]
    assert len(names) > 150
    assert on_demand_prices(aws.account(), names).keys() == set(names)
    values = [asked["Filters"][-1]["Value"] for _, asked in aws.front.calls]
    assert max(map(len, values)) <= 1024 < len(",".join(names))


@pytest.mark.parametrize(
    "product",
    [
        {"terms": {}},
        {"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"USD": "0.0"}}}}}}},
        {"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"CNY": "3"}}}}}}},
        {"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": "Quantity", "pricePerUnit": {"USD": "3"}}}}}}},
    ],
)
def test_product_without_a_price_per_hour_has_none(aws: Stage, product: dict[str, Any]) -> None:
    text = json.dumps({"product": {"attributes": {"instanceType": "g4dn.xlarge"}}, **product})
    aws.fault("pricing:GetProducts", body=json.dumps({"PriceList": [text]}))
    assert on_demand_prices(aws.account(), ["g4dn.xlarge"]) == {}


@pytest.mark.parametrize(("on_demand", "words"), [(False, "as a spot machine"), (True, "as an on-demand machine")])
def test_type_that_is_not_for_sale(aws: Stage, on_demand: bool, words: str) -> None:
    with pytest.raises(NotOfferedError, match=rf"nope\.large is not for sale {words} in us-east-1"):
        machine_price(aws.account(), "nope.large", on_demand=on_demand)


def test_price_list_without_the_right_to_it_names_the_right(aws: Stage) -> None:
    aws.fault("pricing:GetProducts", "AccessDeniedException")
    with pytest.raises(PermissionsError, match="pricing:GetProducts"):
        machine_price(aws.account(), "g4dn.xlarge", on_demand=True)


def test_disk_price() -> None:
    assert disk_price(100) == pytest.approx(8.0 / 730)


def test_quote_for_every_type(aws: Stage, tmp_path: Path) -> None:
    quotes = quote(aws.account(), Settings(home=tmp_path), [*NAMES, "nope.large"])
    assert list(quotes) == [*NAMES, "nope.large"]
    gpu, cpu = quotes["g4dn.xlarge"], quotes["c7i.4xlarge"]
    assert gpu.on_demand_usd == pytest.approx(0.526) and gpu.spot_usd is not None
    assert gpu.extras_usd == pytest.approx(0.005 + 85 * 0.08 / 730)
    assert gpu.extras_usd > cpu.extras_usd > 0.005
    assert (quotes["nope.large"].spot_usd, quotes["nope.large"].on_demand_usd) == (None, None)
    assert sorted(aws.front.actions()) == ["ec2:DescribeSpotPriceHistory", "pricing:GetProducts"]


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalErrorException", "InvalidParameterException"])
def test_quote_without_the_price_list_knows_the_spot_prices(aws: Stage, tmp_path: Path, code: str) -> None:
    aws.fault("pricing:GetProducts", code, times=9)
    quotes = quote(aws.account(), Settings(home=tmp_path), NAMES)
    assert all(each.spot_usd and each.on_demand_usd is None for each in quotes.values())


def test_quote_without_a_login_is_an_error(aws: Stage, tmp_path: Path) -> None:
    aws.fault("ec2:DescribeSpotPriceHistory", "ExpiredToken")
    with pytest.raises(CredentialsError, match="expired"):
        quote(aws.account(), Settings(home=tmp_path), NAMES)


def test_hourly_price_follows_the_purchase() -> None:
    both = Quote(spot_usd=0.2, on_demand_usd=0.5, extras_usd=0.01)
    assert both.hourly_usd("spot") == both.hourly_usd("spot-then-on-demand") == pytest.approx(0.21)
    assert both.hourly_usd("on-demand") == pytest.approx(0.51)
    no_spot = dataclasses.replace(both, spot_usd=None)
    assert no_spot.hourly_usd("spot") is None
    assert no_spot.hourly_usd("spot-then-on-demand") == pytest.approx(0.51)
