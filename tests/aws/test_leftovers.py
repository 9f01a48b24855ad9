# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left in an account, in all of its regions, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from cloudrender_addon.backend import errors as e
from cloudrender_addon.backend.aws import fleet
from cloudrender_addon.backend.aws.enabled_regions import enabled_regions
from cloudrender_addon.backend.aws.inventory import Kind, Resource
from cloudrender_addon.backend.aws.regions import REGIONS
from cloudrender_addon.backend.farms.leftovers import Leftover, end_all, search
from tests.aws.aws_stage import EMPTY, REGION, Stage
from tests.aws.launches import order, run
from tests.aws.test_aws_inventory import volume

ELSEWHERE = "eu-west-1"


def key_in(aws: Stage, region: str, *, tagged: bool = True) -> str:
    ec2 = aws.account().at(region).ec2
    tags: Any = [{"ResourceType": "key-pair", "Tags": [{"Key": "cloudrender:job", "Value": "job-1"}]}]
    return ec2.create_key_pair(KeyName=f"key-{tagged}", **({"TagSpecifications": tags} if tagged else {}))["KeyName"]


def found(aws: Stage, *regions: str, **more: Any) -> list[Leftover]:
    return list(search(aws.account(), regions or (REGION,), **more).found)


def test_machine_and_disk_with_their_prices(aws: Stage) -> None:
    run(aws)
    lost = volume(aws)
    left = {(each.resource.kind, each.resource.id): each for each in found(aws)}
    [machine] = [each for (kind, _), each in left.items() if kind is Kind.INSTANCE]
    assert not machine.resource.on_demand and machine.resource.public
    spot = aws.account().ec2.describe_spot_price_history(InstanceTypes=["g4dn.xlarge"])["SpotPriceHistory"]
    assert machine.hourly_usd == pytest.approx(min(float(each["SpotPrice"]) for each in spot) + 0.005)
    assert machine.cost_usd == pytest.approx(machine.hourly_usd / 60)  # billed by the second, one minute at least
    assert left[Kind.VOLUME, lost].hourly_usd == pytest.approx(8 * 0.08 / 730)
    assert {each.hourly_usd for (kind, _), each in left.items() if kind in (Kind.KEY_PAIR, Kind.GROUP)} == {0.0}


def test_price_of_the_record_goes_first(aws: Stage) -> None:
    instance = run(aws)
    aws.front.calls.clear()
    [machine] = [each for each in found(aws, known_usd={instance.id: 0.25}) if each.resource.kind is Kind.INSTANCE]
    assert machine.hourly_usd == 0.25
    assert aws.count("ec2:DescribeSpotPriceHistory") == 0


def test_on_demand_machine(aws: Stage) -> None:
    fleet.rent(aws.account(), order(aws, on_demand=True))
    [machine] = [each for each in found(aws) if each.resource.kind is Kind.INSTANCE]
    assert machine.resource.on_demand and machine.hourly_usd == pytest.approx(0.526 + 0.005)
    aws.front.rights.deny("pricing:GetProducts")
    [machine] = [each for each in found(aws) if each.resource.kind is Kind.INSTANCE]
    assert machine.hourly_usd is None and machine.cost_usd is None


@pytest.mark.parametrize(
    ("age", "hourly", "cost"),
    [(7200.0, 0.5, 1.0), (10.0, 0.6, 0.01), (None, 0.5, None), (7200.0, None, None), (None, 0.0, 0.0)],
)
def test_cost_so_far(age: float | None, hourly: float | None, cost: float | None) -> None:
    resource = Resource(kind=Kind.INSTANCE, id="i-1", job_id="job-1", age_seconds=age)
    left = Leftover(region=REGION, resource=resource, hourly_usd=hourly)
    assert left.cost_usd == (None if cost is None else pytest.approx(cost))


def test_stopped_machine_costs_only_its_disk(aws: Stage) -> None:
    instance = fleet.rent(aws.account(), order(aws, on_demand=True))
    aws.account().ec2.stop_instances(InstanceIds=[instance.id])
    costs = {each.resource.kind: each.hourly_usd for each in found(aws)}
    assert costs[Kind.INSTANCE] == 0.0 and costs[Kind.VOLUME]


def test_every_region_asked_for_and_only_what_is_ours(aws: Stage) -> None:
    for region in (REGION, ELSEWHERE):
        key_in(aws, region)
        key_in(aws, region, tagged=False)
    assert [each.region for each in found(aws, REGION)] == [REGION]
    both = found(aws, REGION, ELSEWHERE)
    assert [(each.region, each.resource.id) for each in both] == [(REGION, "key-True"), (ELSEWHERE, "key-True")]
    end_all(aws.account(), both)
    assert found(aws, REGION, ELSEWHERE) == []
    for region in (REGION, ELSEWHERE):
        keys = aws.account().at(region).ec2.describe_key_pairs()["KeyPairs"]
        assert [key["KeyName"] for key in keys] == ["key-False"]


def test_region_that_cannot_be_looked_into_hides_no_other(aws: Stage) -> None:
    for region in (REGION, ELSEWHERE):
        key_in(aws, region)
    aws.fault("ec2:DescribeVolumes", "AuthFailure", status=401)  # the one that asks first
    looked = search(aws.account(), (REGION, ELSEWHERE))
    assert [type(problem) for problem in looked.problems.values()] == [e.CredentialsError]
    assert {each.region for each in looked.found} == {REGION, ELSEWHERE} - set(looked.problems)
    aws.fault("ec2:DescribeVolumes", "AuthFailure", status=401, times=2)
    with pytest.raises(e.CredentialsError):
        search(aws.account(), (REGION, ELSEWHERE))


def test_regions_of_the_account(aws: Stage) -> None:
    assert set(enabled_regions(aws.account())) >= {REGION, ELSEWHERE} and REGION in REGIONS
    assert aws.everything() == EMPTY
