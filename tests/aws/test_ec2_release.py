# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever AWS answers to a launch, its release ends with nothing left, or says what is."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.aws.tags import tagged
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.clock import now
from cloudrender_addon.backend.errors import (
    CapacityError,
    CleanupError,
    CloudError,
    PermissionsError,
    QuotaError,
    RecordError,
)
from cloudrender_addon.backend.farms.ec2 import Ec2Farm
from cloudrender_addon.backend.job.cost import machine_cost
from tests.aws.aws_stage import EMPTY, SECRET, Stage
from tests.aws.ec2_rig import LINK, Door, farm_on, hide_instances, lose_the_answer, rent, request, soon


def test_release(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    machine = rent(farm)
    assert len(farm.leftovers("job-1")) == 5
    farm.release(machine)
    assert aws.everything() == EMPTY
    assert farm.leftovers("job-1") == ()
    assert list(tmp_path.iterdir()) == []
    farm.release(machine)
    farm_on(aws, tmp_path).release(machine)


def test_release_of_a_plan(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    farm.release(farm.plan(request()))
    assert aws.count("ec2:DescribeInstances") == 0
    assert list(tmp_path.iterdir()) == []


def test_release_ends_one_launch_of_a_job_and_not_the_other(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    one, two = rent(farm), rent(farm, launch="t2")
    farm.release(one)
    assert aws.everything()["instances"] == [two.instance_id]
    assert aws.everything()["groups"] == [two.group_id]
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".pub"} == {"job_key", "host_key-t2"}
    farm.release(two)
    assert aws.everything() == EMPTY


def test_release_ends_a_second_machine_of_the_launch(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm)
    aws.account().ec2.run_instances(
        ImageId=machine.offer.image_id, MinCount=1, MaxCount=1,
        TagSpecifications=[tagged("instance", job_id="job-1", token="t1")],
    )  # fmt: skip
    assert len(aws.everything()["instances"]) == 2
    farm.release(machine)
    assert aws.everything() == EMPTY


def test_release_that_fails_names_what_is_left_and_works_again_later(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    machine = rent(farm)
    aws.fault("ec2:TerminateInstances", "UnauthorizedOperation", status=403)
    aws.fault("ec2:DeleteSecurityGroup", "UnauthorizedOperation", status=403)
    with pytest.raises(CleanupError) as caught:
        farm.release(machine)
    assert caught.value.resources == (machine.instance_id, *aws.everything()["volumes"], machine.group_id)
    assert "ec2:TerminateInstances" in caught.value.message
    assert aws.everything()["keys"] == []  # everything else was attempted
    assert (tmp_path / "job_key").exists()  # the machine still lives
    farm.release(machine)
    assert aws.everything() == EMPTY
    assert list(tmp_path.iterdir()) == []


def test_release_ends_the_machine_even_if_nothing_can_be_listed(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm)
    aws.fault("ec2:DescribeVolumes", "UnauthorizedOperation", status=403)
    with pytest.raises(CleanupError, match="ec2:DescribeVolumes") as caught:
        farm.release(machine)
    assert aws.everything() == EMPTY
    assert caught.value.resources == ("cloudrender-t1",)


def test_release_waits_for_the_end(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm)
    [instance] = aws.backend.all_instances()
    terminate = instance.terminate

    def slowly() -> Any:
        previous = terminate()
        instance._state.name = "shutting-down"
        timer = threading.Timer(0.6, lambda: setattr(instance._state, "name", "terminated"))
        timer.start()
        return previous

    instance.terminate = slowly
    farm.release(machine)
    assert instance.state == "terminated"


def test_release_that_sees_no_end(aws: Stage, tmp_path: Path) -> None:
    farm = farm_on(aws, tmp_path, cleanup_seconds=0.3)
    machine = rent(farm)
    [instance] = aws.backend.all_instances()
    instance.terminate = lambda: instance._state
    with pytest.raises(CleanupError) as caught:
        farm.release(machine)
    assert machine.instance_id in caught.value.resources


@pytest.mark.parametrize(
    "refusal",
    [
        ("MaxSpotInstanceCountExceeded", 400, QuotaError),
        ("InsufficientInstanceCapacity", 500, CapacityError),
        ("UnauthorizedOperation", 403, PermissionsError),
    ],
    ids=lambda refusal: refusal[0],
)
def test_refused_launch_is_released_at_once(
    aws: Stage, farm: Ec2Farm, tmp_path: Path, refusal: tuple[str, int, type[CloudError]]
) -> None:
    code, status, kind = refusal
    planned = farm.plan(request())
    aws.fault("ec2:RunInstances", code, status=status, times=9)
    with pytest.raises(kind):
        farm.launch(planned)
    assert aws.everything()["keys"] and aws.everything()["groups"]
    farm.release(planned)
    assert aws.everything() == EMPTY
    assert aws.count("ec2:DescribeInstances") == 0  # nothing was launched, so nothing is looked for
    assert list(tmp_path.iterdir()) == []


def test_group_that_is_not_found_by_its_tag_yet_is_deleted_all_the_same(aws: Stage, farm: Ec2Farm) -> None:
    planned = farm.plan(request())
    aws.fault("ec2:RunInstances", "MaxSpotInstanceCountExceeded")
    with pytest.raises(QuotaError):
        farm.launch(planned)
    aws.fault(
        "ec2:DescribeSecurityGroups",
        body="<DescribeSecurityGroupsResponse><securityGroupInfo/></DescribeSecurityGroupsResponse>",
    )
    aws.fault("ec2:DescribeKeyPairs", body="<DescribeKeyPairsResponse><keySet/></DescribeKeyPairsResponse>")
    farm.release(planned)
    assert aws.everything() == EMPTY


def test_machine_of_a_lost_answer_is_found_and_ended(aws: Stage, farm: Ec2Farm) -> None:
    planned = lose_the_answer(aws, farm)
    hide_instances(aws, times=3)
    farm.release(planned)
    assert aws.everything() == EMPTY
    assert farm.leftovers("job-1") == ()


def test_machine_of_a_crashed_client_is_found_and_ended(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    planned = farm.plan(request(machine="g6.xlarge,g4dn.xlarge"))
    launched = farm.launch(planned)  # … and the process dies before the record has the machine's id
    [instance] = aws.backend.all_instances()
    instance.launch_time -= datetime.timedelta(seconds=600)
    hide_instances(aws, times=3)
    [paid] = farm_on(aws, tmp_path).release(planned)
    assert aws.everything() == EMPTY
    assert (paid.instance_id, paid.zone, paid.offers) == (launched.instance_id, launched.zone, launched.offers)
    assert machine_cost(paid, until=now()) == pytest.approx(paid.hourly_usd * 600 / 3600, rel=0.02)


def test_what_a_launch_gave_that_nobody_heard_of_is_paid_until_it_ended(
    aws: Stage, farm: Ec2Farm, tmp_path: Path
) -> None:
    planned = farm.plan(request())
    farm.launch(planned)
    [instance] = aws.backend.all_instances()
    instance.launch_time -= datetime.timedelta(seconds=2400)
    instance.terminate()

    def paid_hours() -> float:
        [paid] = farm_on(aws, tmp_path).release(planned)
        return machine_cost(paid, until=now() + 9000) / paid.hourly_usd

    ended = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=2000)
    instance._reason = f"User initiated ({ended:%Y-%m-%d %H:%M:%S} GMT)"
    assert paid_hours() * 3600 == pytest.approx(400, abs=10)
    instance._reason = ""  # it switched itself off: after its first lease at the latest, as no client renewed it
    assert paid_hours() * 3600 == pytest.approx(900 + 300, abs=10)


def test_a_launch_that_may_have_given_something_too_long_ago_to_be_seen_is_counted(
    aws: Stage, farm: Ec2Farm, tmp_path: Path
) -> None:
    planned = farm.plan(request(machine="g4dn.xlarge,g6.xlarge"))
    other = farm_on(aws, tmp_path, search_seconds=0.3)
    just_now, long_ago = (
        dataclasses.replace(planned, request=dataclasses.replace(planned.request, asked_at=now() - seconds))
        for seconds in (600, 86400)
    )
    assert other.release(planned) == other.release(just_now) == ()  # it would still be described
    [paid] = other.release(long_ago)
    assert machine_cost(paid, until=now()) == pytest.approx(
        max(offer.hourly_usd for offer in planned.offers) * (900 + 300) / 3600
    )


def test_refusal_of_a_second_launch_says_nothing_about_the_first(aws: Stage, farm: Ec2Farm) -> None:
    planned = lose_the_answer(aws, farm)
    aws.fault("ec2:CreateFleet", "MaxSpotInstanceCountExceeded")
    with pytest.raises(QuotaError):
        farm.launch(planned)
    farm.release(planned)
    assert aws.everything() == EMPTY


def test_search_for_what_was_never_launched_ends(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    planned = farm.plan(request())
    other = farm_on(aws, tmp_path, search_seconds=0.3)  # knows nothing of the launch
    began = time.monotonic()
    other.release(planned)
    assert 0.3 <= time.monotonic() - began < 5
    assert aws.count("ec2:DescribeInstances") >= 2


def test_a_machine_of_another_job_is_reached_and_ended_by_its_tags(
    aws: Stage, tmp_path: Path, door: Callable[..., Door]
) -> None:
    """One that was kept, and taken over: nothing of it carries the tag of the job that has it now."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    machine = rent(farm_on(aws, theirs))
    opened = door(LINK)
    farm = farm_on(aws, ours)
    farm.adopt(machine, keys=theirs)
    farm.adopt(machine, keys=theirs)  # as a client does that was killed after it
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    for path in ours.iterdir():
        assert path.read_bytes() == (theirs / path.name).read_bytes()
        assert path.suffix == ".pub" or path.stat().st_mode & 0o077 == 0
    opener = (theirs / "job_key").read_bytes()
    shutil.rmtree(theirs)  # that job is closed, and may be forgotten: the machine is opened by a copy of its key
    farm = farm_on(aws, ours)
    farm.connect(machine, cancel=CancelToken(), deadline=soon())
    assert opened.knocks[0]["key_file"] == ours / "job_key" and (ours / "job_key").read_bytes() == opener
    assert "ssh" in farm.login(machine)
    assert len(farm.leftovers("job-2", taken=["t1"])) == 5 and farm.leftovers("job-2") == ()
    assert farm.leftovers("job-1", given=["t1"]) == ()
    farm.release(machine)
    assert aws.everything() == EMPTY and farm.leftovers("job-2", taken=["t1"]) == ()
    assert not [path for path in ours.iterdir() if path.name.startswith(("host_key", "job_key"))]


def test_a_job_that_took_a_machine_over_rents_its_next_one_with_a_key_of_its_own(aws: Stage, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    farm, machine = farm_on(aws, ours), rent(farm_on(aws, theirs))
    farm.adopt(machine, keys=theirs)
    farm.release(machine)
    rent(farm, launch="t2")
    assert (ours / "job_key").read_bytes() != (theirs / "job_key").read_bytes()


def test_a_machine_that_is_not_taken_over_after_all_leaves_no_key(aws: Stage, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    machine = rent(farm_on(aws, theirs))
    farm = farm_on(aws, ours)
    farm.adopt(machine, keys=theirs)
    farm.disown(machine)
    farm.disown(machine)
    assert list(ours.iterdir()) == [] and len(aws.everything()["instances"]) == 1
    (theirs / "job_key").unlink()
    with pytest.raises(RecordError):
        farm.adopt(machine, keys=theirs)
    farm_on(aws, theirs).release(machine)


def test_a_whole_life_is_quick(aws: Stage, tmp_path: Path, door: Callable[..., Door]) -> None:
    door(LINK)
    farm_on(aws, tmp_path).plan(request(launch="warm"))  # moto reads its tables of types at the first question
    farm = farm_on(aws, tmp_path)
    began = time.monotonic()
    machine = rent(farm)
    machine, _ = farm.connect(machine, cancel=CancelToken(), deadline=soon())
    farm.release(machine)
    assert farm.leftovers("job-1") == ()
    assert time.monotonic() - began < 2.0  # 0.15 s on a quiet machine


def test_no_secret_is_logged_or_told(
    aws: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    farm = farm_on(aws, tmp_path)
    machine = rent(farm)
    secrets = [SECRET, (tmp_path / "job_key").read_text().splitlines()[4]]
    aws.fault("ec2:TerminateInstances", "AuthFailure", status=401)
    with pytest.raises(CleanupError) as caught:
        farm.release(machine)
    told = " ".join((caplog.text, caught.value.message, caught.value.hint, *caught.value.details, repr(machine)))
    assert not [secret for secret in secrets if secret in told]
