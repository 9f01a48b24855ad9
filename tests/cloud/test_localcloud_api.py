# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's AWS API does what EC2 does where moto does not, and its faults look like AWS's."""

from __future__ import annotations

import datetime
import time

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.localcloud import spec
from tests.localcloud.catalogue import IMAGES
from tests.localcloud.cloud import Cloud
from tests.localcloud.renting import NVIDIA, SPOT, UBUNTU, new_key, rent, wait_until

ONE = {"ImageId": UBUNTU, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
NO_RETRIES = Config(retries={"total_max_attempts": 1})


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def status_of(error: pytest.ExceptionInfo[ClientError]) -> int:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def end_all(cloud: Cloud) -> None:
    cloud.client("ec2").terminate_instances(InstanceIds=[machine.id for machine in cloud.machines])
    wait_until(lambda: not cloud.leftovers(), what="an empty account")


def test_a_client_token_launches_once(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    first = ec2.run_instances(**ONE, ClientToken="job-1")["Instances"][0]["InstanceId"]
    assert ec2.run_instances(**ONE, ClientToken="job-1")["Instances"][0]["InstanceId"] == first
    with pytest.raises(ClientError) as error:
        ec2.run_instances(**{**ONE, "InstanceType": "t3.small"}, ClientToken="job-1")
    assert code_of(error) == "IdempotentParameterMismatch"
    assert ec2.run_instances(**ONE, ClientToken="job-2")["Instances"][0]["InstanceId"] != first
    end_all(cloud)
    repeated = ec2.run_instances(**ONE, ClientToken="job-1")["Instances"][0]
    assert (repeated["InstanceId"], repeated["State"]["Name"]) == (first, "terminated")
    assert len(cloud.machines) == 2


def test_a_failed_launch_does_not_use_its_token_up(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2", config=NO_RETRIES)
    cloud.faults.api("RunInstances", "InsufficientInstanceCapacity")
    with pytest.raises(ClientError):
        ec2.run_instances(**ONE, ClientToken="job-1")
    ec2.run_instances(**ONE, ClientToken="job-1")
    assert len(cloud.machines) == 1
    end_all(cloud)


def test_states_follow_each_other() -> None:
    with Cloud(boot_delay=1.0) as cloud:
        rented = rent(cloud)
        said = rented.description
        assert said["State"]["Name"] == "pending"
        assert "PublicIpAddress" not in said
        wait_until(lambda: rented.state == "running", what="running")
        assert rented.description["PublicIpAddress"] == rented.machine.order.address
        answer = cloud.client("ec2").terminate_instances(InstanceIds=[rented.machine.id])
        assert answer["TerminatingInstances"][0]["CurrentState"]["Name"] == "shutting-down"
        wait_until(lambda: rented.state == "terminated", what="terminated")
        said = rented.description
        assert said["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
        assert said["StateTransitionReason"].startswith("User initiated")
        assert cloud.leftovers() == []


def test_a_machine_ended_while_pending_never_boots() -> None:
    with Cloud(boot_delay=3600) as cloud:
        rented = rent(cloud)
        cloud.client("ec2").terminate_instances(InstanceIds=[rented.machine.id])
        wait_until(lambda: rented.state == "terminated", what="terminated")
        rented.machine.boot()  # what comes when the delay is over
        assert rented.machine.running_at is None
        assert rented.machine.processes() == []


def test_a_new_instance_may_be_invisible_for_a_while() -> None:
    with Cloud(visible_after=0.4) as cloud:
        ec2 = cloud.client("ec2")
        ident = ec2.run_instances(**ONE)["Instances"][0]["InstanceId"]
        with pytest.raises(ClientError) as error:
            ec2.describe_instances(InstanceIds=[ident])
        assert code_of(error) == "InvalidInstanceID.NotFound"
        with pytest.raises(ClientError):
            ec2.terminate_instances(InstanceIds=[ident])
        assert ec2.describe_instances()["Reservations"] == []
        wait_until(lambda: ec2.describe_instances()["Reservations"], what="being seen")
        end_all(cloud)


def test_spot_machines_have_a_request_and_are_found_by_filters(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "cloudrender:job", "Value": "a"}]}]
    spot = ec2.run_instances(**ONE, InstanceMarketOptions=SPOT, ClientToken="spot", TagSpecifications=tags)[
        "Instances"
    ][0]
    plain = ec2.run_instances(**ONE)["Instances"][0]
    assert spot["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in plain

    def found(name: str, value: str) -> list[str]:
        pages = ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])
        return [i["InstanceId"] for r in pages["Reservations"] for i in r["Instances"]]

    for name, value in (("instance-lifecycle", "spot"), ("client-token", "spot"), ("tag:cloudrender:job", "a")):
        assert found(name, value) == [spot["InstanceId"]]
    requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert [(r["SpotInstanceRequestId"], r["InstanceId"], r["State"]) for r in requests] == [
        (spot["SpotInstanceRequestId"], spot["InstanceId"], "active")
    ]
    end_all(cloud)
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"][0]["State"] == "closed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "nonsense"}, "InvalidAMIID.Malformed"),
        ({"InstanceType": "g99.xlarge"}, "InvalidParameterValue"),
        ({"InstanceType": "c7g.large"}, "InvalidParameterValue"),
        ({"KeyName": "unknown"}, "InvalidKeyPair.NotFound"),
        ({"UserData": "#!/bin/sh\n" + "x" * 16384}, "InvalidParameterValue"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue"),
        (
            {"ImageId": NVIDIA, "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20}}]},
            "InvalidBlockDeviceMapping",
        ),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_a_launch_that_ec2_refuses_is_refused(cloud: Cloud, change: dict[str, object], code: str) -> None:
    with pytest.raises(ClientError) as error:
        cloud.client("ec2").run_instances(**{**ONE, **change})
    assert code_of(error) == code
    assert cloud.machines == []


def test_a_group_in_use_cannot_be_deleted(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName="job", Description="job")["GroupId"]
    ec2.run_instances(**ONE, SecurityGroupIds=[group])
    with pytest.raises(ClientError) as error:
        ec2.delete_security_group(GroupId=group)
    assert code_of(error) == "DependencyViolation"
    ec2.terminate_instances(InstanceIds=[cloud.machines[0].id])
    ec2.get_waiter("instance_terminated").wait(
        InstanceIds=[cloud.machines[0].id], WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    ec2.delete_security_group(GroupId=group)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_public_parameters_name_images(cloud: Cloud, region: str) -> None:
    ssm, ec2 = cloud.client("ssm", region=region), cloud.client("ec2", region=region)
    for image in IMAGES:
        ident = ssm.get_parameter(Name=image.parameter)["Parameter"]["Value"]
        found = ec2.describe_images(ImageIds=[ident])["Images"][0]
        assert (found["Architecture"], found["RootDeviceName"]) == ("x86_64", "/dev/sda1")
        assert found["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == image.disk_gb


def test_spot_prices_are_plausible_and_recent(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    for kind, low, high in (("g4dn.xlarge", 0.13, 0.20), ("t3.medium", 0.01, 0.03), ("c7i.4xlarge", 0.1, 0.4)):
        history = ec2.describe_spot_price_history(InstanceTypes=[kind], ProductDescriptions=["Linux/UNIX"])
        prices = history["SpotPriceHistory"]
        assert len({p["AvailabilityZone"] for p in prices}) > 1
        assert {p["InstanceType"] for p in prices} == {kind}
        assert {p["ProductDescription"] for p in prices} == {"Linux/UNIX"}
        assert all(low < float(p["SpotPrice"]) < high for p in prices)
        now = datetime.datetime.now(datetime.UTC)
        assert all(datetime.timedelta() <= now - p["Timestamp"] < datetime.timedelta(days=1) for p in prices)


def test_each_kind_of_leftover_is_seen(cloud: Cloud) -> None:
    cloud.expect_leftovers = True
    ec2 = cloud.client("ec2", region="eu-west-1")
    ec2.import_key_pair(KeyName="forgotten", PublicKeyMaterial=new_key()[1].encode())
    ec2.create_security_group(GroupName="forgotten", Description="x")
    ec2.create_volume(AvailabilityZone="eu-west-1a", Size=7)
    ec2.create_launch_template(LaunchTemplateName="forgotten", LaunchTemplateData={"InstanceType": "t3.micro"})
    rent(cloud).connect().close()
    left = "\n".join(cloud.leftovers())
    for kind in ("eu-west-1 key pair", "eu-west-1 security group", "eu-west-1 volume", "eu-west-1 launch template"):
        assert kind in left
    for kind in ("us-east-1 instance", "us-east-1 volume", "us-east-1 spot request", "processes"):
        assert kind in left


def test_an_account_starts_and_ends_empty() -> None:
    for _ in range(2):
        with Cloud() as cloud:
            assert cloud.leftovers() == []
            rent(cloud)
            machine = cloud.machines[0]
            assert cloud.leftovers() != []
        assert machine.processes() == []
        assert not machine.folder.exists()


def test_moto_is_given_back_as_it_was() -> None:
    with Cloud():
        pass
    from moto import settings
    from moto.ec2.models.instances import Instance

    with Cloud():
        patched = Instance.terminate
        assert settings.ENABLE_AMI_VALIDATION is True
    assert Instance.terminate is not patched
    assert settings.ENABLE_AMI_VALIDATION is False


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InsufficientInstanceCapacity", 500),
        ("MaxSpotInstanceCountExceeded", 400),
        ("VcpuLimitExceeded", 400),
        ("UnauthorizedOperation", 403),
        ("AuthFailure", 401),
        ("RequestLimitExceeded", 503),
        ("OptInRequired", 401),
        ("SpotMaxPriceTooLow", 400),
    ],
)
def test_an_api_fault_comes_as_aws_sends_it(cloud: Cloud, code: str, status: int) -> None:
    ec2 = cloud.client("ec2", config=NO_RETRIES)
    cloud.faults.api("RunInstances", code, times=2)
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            ec2.run_instances(**ONE)
        assert (code_of(error), status_of(error)) == (code, status)
    ec2.describe_instances()
    ec2.run_instances(**ONE)  # the third is let through
    assert [call.action for call in cloud.calls] == [
        "RunInstances",
        "RunInstances",
        "DescribeInstances",
        "RunInstances",
    ]
    end_all(cloud)


def test_a_fault_for_every_call_speaks_each_protocol(cloud: Cloud) -> None:
    spec.parse("api=*:ExpiredToken:99")(cloud)
    asked = {
        "ec2": (lambda client: client.describe_regions(), "RequestExpired"),
        "ssm": (lambda client: client.get_parameter(Name="/aws/x"), "ExpiredTokenException"),
        "sts": (lambda client: client.get_caller_identity(), "ExpiredToken"),
    }
    for service, (ask, code) in asked.items():
        with pytest.raises(ClientError) as error:
            ask(cloud.client(service, config=NO_RETRIES))
        assert code_of(error) == code


def test_throttling_is_overcome_by_retries_and_counted(cloud: Cloud) -> None:
    spec.parse("throttle=DescribeRegions:2")(cloud)
    client = cloud.client("ec2", config=Config(retries={"mode": "standard", "total_max_attempts": 4}))
    client.describe_regions()
    assert cloud.calls == [("ec2", "DescribeRegions")] * 3


@pytest.mark.parametrize(("answered", "made"), [(False, 0), (True, 1)])
def test_a_client_can_be_killed_at_a_call_before_or_after_it_is_done(cloud: Cloud, answered: bool, made: int) -> None:
    ec2 = cloud.client("ec2", config=NO_RETRIES)
    seen: list[int] = []

    def act() -> bool:
        seen.append(len(ec2.describe_key_pairs()["KeyPairs"]))
        return True

    cloud.faults.at_call("ImportKeyPair", act, answered=answered)
    with pytest.raises(ClientError):
        ec2.import_key_pair(KeyName="a", PublicKeyMaterial=new_key()[1].encode())
    assert seen == [made] and len(ec2.describe_key_pairs()["KeyPairs"]) == made
    cloud.faults.at_call("*", act, nth=2)
    ec2.describe_volumes()
    with pytest.raises(ClientError):
        ec2.describe_volumes()
    if made:
        ec2.delete_key_pair(KeyName="a")


def test_a_call_can_be_slow(cloud: Cloud) -> None:
    spec.parse("delay=DescribeRegions:0.3")(cloud)
    began = time.monotonic()
    cloud.client("ec2").describe_regions()
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("text", ["nonsense", "api=RunInstances", "kill=x", "kill=", "refuse-ssh=", "no-gpu=1"])
def test_a_wrong_fault_says_how_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"should be|there are"):
        spec.parse(text)
