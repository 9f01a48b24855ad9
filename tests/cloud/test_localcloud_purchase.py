# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in sells machines as AWS does: spot or on-demand, with a price list of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.localcloud import spec
from tests.localcloud.cloud import Cloud
from tests.localcloud.renting import SPOT, UBUNTU, rent, wait_until

ONE = {"ImageId": UBUNTU, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
LINUX = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "regionCode": "us-east-1",
}


def end_all(cloud: Cloud) -> None:
    cloud.client("ec2").terminate_instances(InstanceIds=[machine.id for machine in cloud.machines])
    wait_until(lambda: not cloud.leftovers(), what="an empty account")


def ask(cloud: Cloud, *, names: str = "g4dn.xlarge", **fields: str) -> list[dict[str, Any]]:
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in {**LINUX, **fields}.items()]
    filters.append({"Type": "ANY_OF", "Field": "instanceType", "Value": names})
    pages = cloud.client("pricing").get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters)
    return [json.loads(product) for page in pages for product in page["PriceList"]]


def usd(product: dict[str, Any]) -> float:
    [offer] = product["terms"]["OnDemand"].values()
    [dimension] = offer["priceDimensions"].values()
    return float(dimension["pricePerUnit"]["USD"])


def test_an_on_demand_machine_has_no_lifecycle_and_no_spot_request(cloud: Cloud) -> None:
    launched = cloud.client("ec2").run_instances(**ONE)["Instances"][0]
    assert "InstanceLifecycle" not in launched and "SpotInstanceRequestId" not in launched
    assert not cloud.machines[0].order.spot
    assert cloud.client("ec2").describe_spot_instance_requests()["SpotInstanceRequests"] == []
    assert rent(cloud).description["InstanceLifecycle"] == "spot"
    end_all(cloud)


def test_sold_out_spot_machines_leave_the_on_demand_ones(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2", config=Config(retries={"total_max_attempts": 1}))
    spec.parse("no-spot")(cloud)
    for _ in range(2):
        with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
            ec2.run_instances(**ONE, InstanceMarketOptions=SPOT)
    ec2.run_instances(**ONE)
    cloud.faults.clear()
    ec2.run_instances(**ONE, InstanceMarketOptions=SPOT)
    assert [machine.order.spot for machine in cloud.machines] == [False, True]
    end_all(cloud)


def test_no_spot_takes_no_value() -> None:
    with pytest.raises(ValueError, match="should be no-spot"):
        spec.parse("no-spot=3")


def test_the_on_demand_quota_is_refused_in_awss_words(cloud: Cloud) -> None:
    spec.parse("api=RunInstances:VcpuLimitExceeded")(cloud)
    with pytest.raises(ClientError, match="more vCPU capacity than your current vCPU limit of 0") as error:
        cloud.client("ec2").run_instances(**ONE)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_price_list_answers_filters(cloud: Cloud) -> None:
    [plain] = ask(cloud)
    assert usd(plain) == 0.526
    assert plain["product"]["attributes"]["instanceType"] == "g4dn.xlarge"
    assert usd(ask(cloud, operatingSystem="Windows")[0]) > 0.526
    assert usd(ask(cloud, capacitystatus="AllocatedCapacityReservation")[0]) == 0
    assert ask(cloud, names="nope.large") == []
    assert len(ask(cloud, names="g4dn.xlarge,g5.xlarge,c7i.large")) == 3


def test_the_price_list_comes_in_pages(cloud: Cloud) -> None:
    offers = cloud.client("ec2").describe_instance_type_offerings()["InstanceTypeOfferings"]
    names = [offer["InstanceType"] for offer in offers][:40]
    filters = [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
        {"Type": "ANY_OF", "Field": "instanceType", "Value": ",".join(names)},
    ]
    first = cloud.client("pricing").get_products(ServiceCode="AmazonEC2", Filters=filters)
    assert len(first["PriceList"]) == 100 and first["NextToken"]


def test_the_price_list_can_fail(cloud: Cloud) -> None:
    cloud.faults.api("GetProducts", "AccessDeniedException")
    with pytest.raises(ClientError, match="not authorized to perform: pricing:GetProducts"):
        ask(cloud)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        cloud.client("pricing").get_products(ServiceCode="AmazonS3")
