# SPDX-License-Identifier: GPL-3.0-or-later
"""The account's quotas: how they stand, and asking for more, once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudrender_addon.backend import errors as e
from cloudrender_addon.backend.aws import limits
from cloudrender_addon.backend.aws.policy import policy_text
from cloudrender_addon.backend.aws.quotas import spot_quota
from cloudrender_addon.backend.farms.quota import (
    QuotaState,
    ask_for,
    ask_for_what_is_missing,
    quotas_of,
    worth_asking,
)
from cloudrender_addon.backend.settings import Settings
from tests.aws.aws_stage import MACHINE, REGION, Stage
from tests.aws.test_aws_policy import QUOTAS

GPU_SPOT, GPU_ON_DEMAND = "L-3819A6DF", "L-DB2E81BA"
REQUEST = "servicequotas:RequestServiceQuotaIncrease"


def quotas(aws: Stage, **settings: Any) -> list[QuotaState]:
    return list(quotas_of(aws.account(), Settings(region=REGION, **settings)))


def ask(aws: Stage, *, vcpus: int = 8) -> limits.QuotaRequest:
    return limits.request_increase(aws.account(), spot_quota(MACHINE), vcpus=vcpus)


def test_quotas_of_both_ways_to_buy(aws: Stage) -> None:
    aws.front.quotas.values[GPU_SPOT] = 3
    spot, on_demand = quotas(aws, purchase="spot-then-on-demand")
    assert (spot.quota.code, spot.value, spot.needed, spot.too_small, spot.in_use) == (GPU_SPOT, 3, 4, True, 0)
    assert (on_demand.quota.code, on_demand.value, on_demand.too_small) == (GPU_ON_DEMAND, 64, False)
    assert spot.types == (MACHINE,) and spot.asked is None and spot.url.endswith(GPU_SPOT)


def test_what_runs_is_counted_where_it_counts(aws: Stage) -> None:
    ec2, image = aws.account().ec2, next(iter(aws.images.values()))
    for kind, market in (("g5.2xlarge", "spot"), ("g4dn.xlarge", "spot"), ("c5.large", "spot"), ("g5.xlarge", "")):
        more = {"InstanceMarketOptions": {"MarketType": market}} if market else {}
        ec2.run_instances(ImageId=image, InstanceType=kind, MinCount=1, MaxCount=1, **more)  # type: ignore[arg-type]
    spot, on_demand = quotas(aws, purchase="spot-then-on-demand")
    assert (spot.in_use, on_demand.in_use) == (8 + 4, 4)


def test_quota_that_only_the_console_knows(aws: Stage) -> None:
    [state] = quotas(aws, instance_type="x1.16xlarge", purchase="on-demand")
    assert (state.quota.code, state.value, state.in_use, state.too_small) == ("", None, None, False)
    with pytest.raises(e.ConfigError) as caught:
        ask_for(aws.account(), state)
    assert "https://us-east-1.console.aws.amazon.com/servicequotas" in caught.value.hint
    assert aws.count(REQUEST) == 0


def test_request_is_made_once(aws: Stage) -> None:
    aws.front.quotas.values[GPU_SPOT] = 0
    first, second = ask(aws), ask(aws, vcpus=32)
    assert first == second and (first.vcpus, first.status) == (8, "PENDING")
    assert aws.count(REQUEST) == 1
    assert quotas(aws)[0].asked == first
    aws.front.quotas.decide("DENIED")
    assert quotas(aws)[0].asked is None
    assert ask(aws, vcpus=32).vcpus == 32
    aws.front.quotas.decide("APPROVED")
    assert (quotas(aws)[0].value, quotas(aws)[0].asked) == (32, None)


def test_request_that_somebody_else_made_meanwhile(aws: Stage) -> None:
    aws.front.quotas.values[GPU_SPOT] = 0
    theirs = ask(aws, vcpus=16)
    aws.fault("servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota", body='{"RequestedQuotas": []}')
    assert ask(aws) == theirs


def test_only_what_is_too_small_is_asked_for(aws: Stage) -> None:
    aws.front.quotas.values[GPU_ON_DEMAND] = 0
    settings = Settings(region=REGION, purchase="spot-then-on-demand")
    assert [asked.vcpus for asked in ask_for_what_is_missing(aws.account(), settings)] == [8]
    assert [each["QuotaCode"] for each in aws.front.quotas.requests] == [GPU_ON_DEMAND]
    aws.front.quotas.decide("APPROVED")
    assert ask_for_what_is_missing(aws.account(), settings) == ()


@pytest.mark.parametrize(("needed", "asked"), [(2, 8), (4, 8), (8, 16), (192, 384)])
def test_enough_for_the_machine_that_comes_next(needed: int, asked: int) -> None:
    assert worth_asking(needed) == asked


def test_the_policy_suffices(aws: Stage) -> None:
    aws.front.rights.limit_to(json.loads(policy_text()))
    aws.front.quotas.values[GPU_SPOT] = 0
    [state] = quotas(aws)
    assert state.in_use == 0
    assert ask_for(aws.account(), state).vcpus == 8
    assert set(aws.front.actions()) >= QUOTAS


def test_right_that_is_missing_is_named(aws: Stage) -> None:
    aws.front.quotas.values[GPU_SPOT] = 0
    aws.front.rights.deny(REQUEST)
    with pytest.raises(e.PermissionsError, match=f"lacks the right {REQUEST}"):
        ask(aws)


def test_what_one_may_not_see_is_not_known(aws: Stage) -> None:
    aws.front.rights.deny("ec2:DescribeInstances", "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota")
    [state] = quotas(aws)
    assert (state.value, state.in_use, state.asked) == (64, None, None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("TooManyRequestsException", e.UnreachableError), ("QuotaExceededException", e.QuotaError)],
)
def test_request_that_aws_does_not_take(aws: Stage, code: str, kind: type[e.CloudError]) -> None:
    aws.fault(REQUEST, code, times=9)
    with pytest.raises(kind):
        ask(aws, vcpus=100)
