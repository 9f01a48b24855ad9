# SPDX-License-Identifier: GPL-3.0-or-later
"""The Price List API's GetProducts for EC2, which moto lacks: products, filters, pages.

Form: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html. Every type is
sold as several products (Windows, dedicated, reserved …), so that a client has to ask for the right one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

from tests.localcloud import catalogue

# What makes up a product, and by how much its price differs from that of plain Linux.
_VARIANTS: dict[str, dict[str, float]] = {
    "operatingSystem": {"Linux": 1.0, "Windows": 1.9},
    "tenancy": {"Shared": 1.0, "Dedicated": 1.1},
    "preInstalledSw": {"NA": 1.0, "SQL Web": 1.4},
    "capacitystatus": {"Used": 1.0, "UnusedCapacityReservation": 1.0, "AllocatedCapacityReservation": 0.0},
}
_PAGE = 100


def get_products(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one GetProducts request. Raises `ValueError` for what AWS refuses."""
    if request.get("ServiceCode") != "AmazonEC2":
        raise ValueError("The stand-in only has prices of AmazonEC2")
    wanted = {each["Field"]: _accept(each) for each in request.get("Filters", [])}
    regions = wanted.pop("regionCode", None)
    if regions is None:
        raise ValueError("The stand-in only has prices of one region at a time")
    found = [product for region in regions for product in _products(region, wanted)]
    first, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or _PAGE)
    answer = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(each) for each in found[first : first + size]]}
    return answer | ({"NextToken": str(first + size)} if first + size < len(found) else {})


def _accept(one: dict[str, str]) -> list[str]:
    """Return the values a filter lets pass."""
    if one["Type"] in ("TERM_MATCH", "EQUALS"):
        return [one["Value"]]
    if one["Type"] == "ANY_OF":
        return one["Value"].split(",")
    raise ValueError(f"The stand-in does not know the filter {one['Type']}")


def _products(region: str, wanted: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    for name, variant in itertools.product(catalogue.types_in(region), itertools.product(*_VARIANTS.values())):
        attributes = {
            "instanceType": name,
            **dict(zip(_VARIANTS, variant, strict=True)),
            "regionCode": region,
            "marketoption": "OnDemand",
            "servicecode": "AmazonEC2",
        }
        if all(attributes.get(field) in values for field, values in wanted.items()):
            factor = 1.0
            for field, factors in _VARIANTS.items():
                factor *= factors[attributes[field]]
            yield _product(attributes, usd=catalogue.on_demand_price(name) * factor)


def _product(attributes: dict[str, str], *, usd: float) -> dict[str, Any]:
    sku = hashlib.sha256(repr(sorted(attributes.items())).encode()).hexdigest()[:16].upper()
    offer = f"{sku}.JRTCKXETXF"
    price = {"unit": "Hrs", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": f"{usd:.10f}"}}
    return {
        "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {offer: {"priceDimensions": {f"{offer}.6YS6EN2CT7": price}, "sku": sku}}},
    }
