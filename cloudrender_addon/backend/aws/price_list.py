# SPDX-License-Identifier: GPL-3.0-or-later
"""On-demand prices, as the AWS Price List tells them.

Fields: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html. One product per
type and region is left by these filters; its price stands below terms, in a form made for every kind of price.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .session import Account

_PLAIN_LINUX = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
_VALUE_CHARACTERS = 1024  # of one filter (API reference of GetProducts, "Value")


def on_demand_prices(account: Account, names: Collection[str]) -> dict[str, float]:
    """Return the on-demand price of each type, USD per hour, by one call for about 70 types.

    Types that are not sold in the region, or not for USD, are absent. Raises `PermissionsError` without the right
    pricing:GetProducts, `CloudError`.
    """
    return {name: price for some in _batches(names) for name, price in _ask(account, some)}


def _ask(account: Account, names: str) -> Iterator[tuple[str, float]]:
    exactly = {**_PLAIN_LINUX, "regionCode": account.region}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in exactly.items()]
    filters.append({"Type": "ANY_OF", "Field": "instanceType", "Value": names})
    with account.calling("pricing:GetProducts", machine=names if "," not in names else "", on_demand=True):
        pages = account.pricing.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters)
        products = [json.loads(product) for page in pages for product in page["PriceList"]]
    for product in products:
        price = _hourly(product)
        if price > 0:
            yield product["product"]["attributes"]["instanceType"], price


def _hourly(product: dict[str, Any]) -> float:
    """Return the USD per hour of a product, 0 if it has no such price."""
    offers = product.get("terms", {}).get("OnDemand", {}).values()
    dimensions = [dimension for offer in offers for dimension in offer.get("priceDimensions", {}).values()]
    prices = [float(each.get("pricePerUnit", {}).get("USD", 0)) for each in dimensions if each.get("unit") == "Hrs"]
    return max(prices, default=0.0)


def _batches(names: Collection[str]) -> Iterator[str]:
    """Yield the names as the values of a filter, joined by commas, each short enough."""
    batch = ""
    for name in names:
        if batch and len(batch) + 1 + len(name) > _VALUE_CHARACTERS:
            yield batch
            batch = ""
        batch = f"{batch},{name}" if batch else name
    if batch:
        yield batch
