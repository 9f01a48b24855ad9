# SPDX-License-Identifier: GPL-3.0-or-later
"""What images are encrypted with and who may use them, with no right beyond the two policies."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudrender_addon.backend import errors as e
from cloudrender_addon.backend.aws import image_making, image_sharing, instances, machine_images
from cloudrender_addon.backend.aws.disk_keys import (
    DEFAULT_KEY,
    Encryption,
    encrypts_all,
    find_key,
    spot_grant,
    spot_grants,
)
from cloudrender_addon.backend.aws.images import is_encrypted, resolve_image
from cloudrender_addon.backend.aws.machine_images import Contents, MachineImage
from cloudrender_addon.backend.aws.policy import images_policy_text, policy_text
from cloudrender_addon.backend.aws.session import Account
from cloudrender_addon.backend.aws.tags import tagged
from tests.localcloud.cloud import REGION, Cloud
from tests.localcloud.own_images import OTHER_ACCOUNT
from tests.localcloud.renting import UBUNTU, wait_until

FRIEND = "111122223333"
DISK = "/dev/sda1"
STATEMENTS = [s for text in (policy_text(), images_policy_text()) for s in json.loads(text)["Statement"]]


@pytest.fixture
def account(cloud: Cloud) -> Account:
    cloud.rights.limit_to({"Statement": STATEMENTS})
    cloud.expect_leftovers = True  # what this file makes is tidied up in others
    return Account(profile=None, region=REGION)


def without(action: str) -> dict[str, Any]:
    """Return both policies without that right."""

    def less(actions: str | list[str]) -> list[str]:
        return [each for each in ([actions] if isinstance(actions, str) else actions) if each != action]

    return {"Statement": [{**each, "Action": less(each["Action"])} for each in STATEMENTS]}


def make_key(cloud: Cloud, *, alias: str = "alias/images", region: str = REGION, **more: Any) -> str:
    """Return the ARN of a key that whoever runs the account makes."""
    kms = cloud.client("kms", region=region)
    with cloud.rights.lifted():
        key = kms.create_key(**more)["KeyMetadata"]
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    return str(key["Arn"])


def as_admin(cloud: Cloud, call: Any, **more: Any) -> None:
    with cloud.rights.lifted():
        call(**more)


def launch(account: Account, *, image: str = UBUNTU, more: Any = None, **ebs: Any) -> str:
    kinds = ("instance", "volume", "spot-instances-request") if more else ("instance", "volume")
    marks = [tagged(kind, job_id="image-1", token="t1") for kind in kinds]  # type: ignore[arg-type]
    launched = account.ec2.run_instances(
        ImageId=image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        BlockDeviceMappings=[{"DeviceName": DISK, "Ebs": {"VolumeSize": 8, **ebs}}],  # type: ignore[typeddict-item]
        TagSpecifications=marks,  # type: ignore[arg-type]
        **(more or {}),
    )
    return launched["Instances"][0]["InstanceId"]


def disk_of(account: Account, machine: str) -> dict[str, Any]:
    found = account.ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [machine]}])
    return found["Volumes"][0]  # type: ignore[return-value]


def bake(cloud: Cloud, account: Account, *, name: str = "one", **ebs: Any) -> MachineImage:
    """Return a whole image of a machine whose disk is encrypted as asked."""
    machine = launch(account, **ebs)
    wait_until(lambda: cloud.machines[-1].running_at, what="the machine")
    deadline = time.monotonic() + 10.0
    image_making.stop_machine(account, machine, deadline=deadline, sleep=time.sleep)
    contents = Contents(kind="cpu", blender=("4.2.23",), driver="")
    made = image_making.make_image(account, instance_id=machine, job_id="image-1", name=name, contents=contents)
    return keep(account, made)


def keep(account: Account, image_id: str) -> MachineImage:
    deadline = time.monotonic() + 10.0
    image = image_making.wait_until_available(account, image_id, deadline=deadline, sleep=time.sleep)
    machine_images.keep_image(account, image)
    return machine_images.find_image(account, image_id)


def reason(account: Account, machine: str) -> str:
    """Return why a machine has ended."""
    found: list[instances.Instance] = []

    def ended() -> bool:
        found[:] = [each for each in [instances.describe(account, machine)] if each and each.state == "terminated"]
        return bool(found)

    wait_until(ended, what="the machine's end")
    return found[0].reason


def test_a_key_is_found_by_each_of_its_names(cloud: Cloud, account: Account) -> None:
    arn = make_key(cloud)
    for name in (arn, arn.rpartition("/")[2], "alias/images", arn.rpartition(":")[0] + ":alias/images"):
        found = find_key(account, name)
        assert (found.arn, found.own) == (arn, True)
    launch(account, Encrypted=True)
    assert not find_key(account, "alias/aws/ebs").own


def test_a_key_that_disks_cannot_be_encrypted_with(cloud: Cloud, account: Account) -> None:
    for unknown in ("alias/none", "12345678-1234-1234-1234-123456789012"):
        with pytest.raises(e.ConfigError, match=f"no KMS key {unknown}") as error:
            find_key(account, unknown)
        assert "aws kms list-aliases" in error.value.hint
    elsewhere = make_key(cloud, region="eu-west-1")
    with pytest.raises(e.ConfigError, match="no KMS key arn:"):
        find_key(account, elsewhere)
    arn = make_key(cloud, alias="alias/off")
    as_admin(cloud, cloud.client("kms").disable_key, KeyId=arn.rpartition("/")[2])
    with pytest.raises(e.ConfigError, match="its state is Disabled") as error:
        find_key(account, "alias/off")
    assert "aws kms enable-key" in error.value.hint
    pair = make_key(cloud, alias="alias/pair", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    with pytest.raises(e.ConfigError, match="of the kind RSA_2048"):
        find_key(account, pair)
    cloud.rights.limit_to(without("kms:DescribeKey"))
    with pytest.raises(e.PermissionsError, match="kms:DescribeKey") as denied:
        find_key(account, arn)
    assert "cloudrender policy --images" in denied.value.hint


def test_an_image_and_what_is_launched_from_it_keep_the_key_of_its_machine(cloud: Cloud, account: Account) -> None:
    arn = make_key(cloud)
    own = bake(cloud, account, name="own", Encrypted=True, KmsKeyId=arn)
    plain = bake(cloud, account, name="plain")
    default = bake(cloud, account, name="default", Encrypted=True)
    behind = image_sharing.look_behind(account, [own, plain, default])
    keys = {image: found.key for image, found in behind.items()}
    assert keys[own.id] == find_key(account, arn) and keys[plain.id] is None
    assert keys[default.id] == find_key(account, "alias/aws/ebs")
    assert [is_encrypted(account, each.id) for each in (own, plain, default)] == [True, False, True]
    assert behind[own.id].stored_gb == 4.0 and behind[own.id].monthly_usd == pytest.approx(0.2)
    assert disk_of(account, launch(account, image=own.id, Encrypted=True))["KmsKeyId"] == arn


def test_a_copy_has_the_default_key_of_its_region_or_the_one_that_is_named(cloud: Cloud, account: Account) -> None:
    image = bake(cloud, account, Encrypted=True, KmsKeyId=make_key(cloud))
    there = account.at("eu-west-1")
    arn = make_key(cloud, region="eu-west-1")
    with_key = keep(there, image_making.copy_image(there, image, encryption=Encryption(key=arn), job_id="copy-1"))
    assert image_sharing.look_behind(there, [with_key])[with_key.id].key == find_key(there, arn)
    machine_images.delete_image(there, with_key.id)
    default = keep(there, image_making.copy_image(there, image, encryption=DEFAULT_KEY, job_id="copy-2"))
    key = image_sharing.look_behind(there, [default])[default.id].key
    assert key is not None and not key.own
    machine_images.delete_image(there, default.id)
    plain = bake(cloud, account, name="plain")
    copied = keep(there, image_making.copy_image(there, plain, encryption=Encryption(on=False), job_id="copy-3"))
    assert not is_encrypted(there, copied.id)


def test_an_account_that_encrypts_every_disk(cloud: Cloud, account: Account) -> None:
    assert not encrypts_all(account)
    as_admin(cloud, cloud.client("ec2").enable_ebs_encryption_by_default)
    assert encrypts_all(account)
    assert is_encrypted(account, bake(cloud, account).id), "though nobody asked for it"


def test_a_machine_whose_key_is_switched_off_ends_at_once(cloud: Cloud, account: Account) -> None:
    arn = make_key(cloud)
    image = bake(cloud, account, Encrypted=True, KmsKeyId=arn)
    as_admin(cloud, cloud.client("kms").disable_key, KeyId=arn.rpartition("/")[2])
    ended = reason(account, launch(account, image=image.id, Encrypted=True))
    assert "the KMS key is switched off" in instances.explain(ended)
    assert "aws kms enable-key" in instances.remedy(ended)
    as_admin(cloud, cloud.client("kms").enable_key, KeyId=arn.rpartition("/")[2])
    unknown = reason(account, launch(account, Encrypted=True, KmsKeyId="alias/none"))
    assert unknown == ended


@pytest.mark.parametrize(
    "action", ["CreateGrant", "Decrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"]
)
def test_the_images_policy_has_each_right_that_ebs_needs(cloud: Cloud, account: Account, action: str) -> None:
    arn = make_key(cloud)
    cloud.rights.limit_to(without(f"kms:{action}"))
    ended = reason(account, launch(account, Encrypted=True, KmsKeyId=arn))
    assert "could not be opened with your rights" in instances.explain(ended)
    assert "cloudrender policy --images" in instances.remedy(ended)
    assert "no reason" not in instances.explain("Client.UserInitiatedShutdown") + instances.remedy("Client.X")


def test_the_state_of_a_key_may_stand_in_the_message_alone() -> None:
    said = {
        "Code": "Client.InternalError",
        "Message": "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
    }
    found: Any = {"InstanceId": "i-1", "StateReason": said, "State": {"Name": "terminated"}}
    ended = instances._instance(found, now=datetime.now(UTC))
    assert ended.reason == "Client.InvalidKMSKey.InvalidState"


def test_an_image_is_shared_and_no_longer(cloud: Cloud, account: Account) -> None:
    image = bake(cloud, account, Encrypted=True, KmsKeyId=make_key(cloud))
    assert image_sharing.share(account, image, add=[FRIEND, OTHER_ACCOUNT]).accounts == (FRIEND, OTHER_ACCOUNT)
    assert image_sharing.share(account, image, add=[FRIEND]).accounts == (FRIEND, OTHER_ACCOUNT)
    assert image_sharing.look_behind(account, [image])[image.id].accounts == (FRIEND, OTHER_ACCOUNT)
    assert image_sharing.share(account, image, remove=[OTHER_ACCOUNT]).accounts == (FRIEND,)
    with pytest.raises(e.ImageError, match=f"is not shared with {OTHER_ACCOUNT}") as error:
        image_sharing.share(account, image, remove=[FRIEND, OTHER_ACCOUNT])
    assert error.value.hint == f"It is shared with {FRIEND}"
    assert image_sharing.share(account, image, remove=[FRIEND]).accounts == ()


def test_what_nobody_else_could_use_is_not_shared(cloud: Cloud, account: Account) -> None:
    image = bake(cloud, account, Encrypted=True)
    with pytest.raises(e.ImageError, match="the account's default key") as error:
        image_sharing.share(account, image, add=[FRIEND])
    assert "--kms-key" in error.value.hint and "--unencrypted" in error.value.hint
    assert ("ec2", "ModifyImageAttribute") not in cloud.calls
    with pytest.raises(e.CloudError, match="InvalidParameter"), account.calling("ec2:ModifyImageAttribute"):
        account.ec2.modify_image_attribute(ImageId=image.id, LaunchPermission={"Add": [{"UserId": FRIEND}]})
    cloud.calls.clear()
    image_sharing.look_behind(account, [image])
    assert ("ec2", "DescribeImageAttribute") not in cloud.calls, "it cannot be shared, so nobody is asked"
    machine_images.delete_image(account, image.id)


def test_only_ones_own_images_may_be_shared(cloud: Cloud, account: Account) -> None:
    image = bake(cloud, account)
    as_admin(cloud, cloud.client("ec2").delete_tags, Resources=[image.id], Tags=[{"Key": machine_images.IMAGE}])
    with pytest.raises(e.PermissionsError, match="ec2:ModifyImageAttribute") as error:
        image_sharing.share(account, image, add=[FRIEND])
    assert "cloudrender policy --images" in error.value.hint


def test_another_account_uses_a_shared_image_by_its_id_alone(cloud: Cloud, account: Account) -> None:
    arn = make_key(cloud)
    image = bake(cloud, account, Encrypted=True, KmsKeyId=arn)
    key = image_sharing.share(account, image, add=[FRIEND]).key
    assert key is not None
    cloud.images.lend(image.id, to=FRIEND)
    assert machine_images.list_images(account) == ()
    assert resolve_image(account, image="auto", gpu=None).id != image.id
    named = resolve_image(account, image=image.id, gpu=None)
    assert (named.id, named.size_gb, named.origin) == (image.id, 8, "given")
    ended = reason(account, launch(account, image=image.id, Encrypted=True))
    assert "could not be opened with your rights" in instances.explain(ended), "the key's policy does not say so yet"
    policy = json.dumps({"Version": "2012-10-17", "Statement": image_sharing.key_statements(key, [FRIEND])})
    as_admin(cloud, cloud.client("kms").put_key_policy, KeyId=arn, PolicyName="default", Policy=policy)
    machine = launch(account, image=image.id, Encrypted=True)
    wait_until(lambda: cloud.machines[-1].running_at, what="the machine")
    assert disk_of(account, machine)["KmsKeyId"] == find_key(account, "alias/aws/ebs").arn


def test_a_spot_machine_needs_a_grant_for_amazon_s_spot_role(cloud: Cloud, account: Account) -> None:
    key = find_key(account, make_key(cloud))
    image = bake(cloud, account, Encrypted=True, KmsKeyId=key.arn)
    spot: Any = {"InstanceMarketOptions": {"MarketType": "spot"}}
    ended = reason(account, launch(account, image=image.id, more=spot, Encrypted=True))
    assert "cloudrender policy --images" in instances.remedy(ended)
    command = spot_grant(account, image.id)
    assert [command] == spot_grants(key, ["123456789012"])
    assert "--key-id arn:aws:kms:us-east-1:ACCOUNT:key/KEY " in spot_grant(account, UBUNTU), "which has no key"
    cloud.rights.deny("ec2:DescribeSnapshots")
    assert "iam::ACCOUNT:role" in spot_grant(account, image.id), "one who only renders may not look"
    cloud.rights.give_back("ec2:DescribeSnapshots")
    words = dict(re.findall(r"--([a-z-]+) ((?:[^-]\S*\s?)+)", command))
    grant = {"KeyId": words["key-id"], "GranteePrincipal": words["grantee-principal"]}
    grant = {name: value.strip() for name, value in grant.items()}
    as_admin(cloud, cloud.client("kms").create_grant, **grant, Operations=words["operations"].split())
    launch(account, image=image.id, more=spot, Encrypted=True)
    wait_until(lambda: cloud.machines[-1].running_at, what="the machine")


@pytest.mark.parametrize(
    ("text", "cause"), [("all", "never with everybody"), ("12345", "'12345' is not the id"), ("", "'' is not")]
)
def test_accounts_that_are_none(text: str, cause: str) -> None:
    with pytest.raises(e.UsageError, match=cause):
        image_sharing.account_ids([FRIEND, text])
    assert image_sharing.account_ids(["1111-2222-3333", FRIEND]) == (FRIEND,)
