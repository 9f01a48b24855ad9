# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, checked before anything is rented: build an image, try one, copy one; and how that is done.

Who asks (terminal or Blender) gives a `say` for each step in a line, and a token that cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from ..aws import image_sharing, machine_images
from ..aws.disk_keys import DEFAULT_KEY, Encryption, encrypts_all, find_key
from ..aws.images import AUTO, PUBLIC, is_encrypted
from ..aws.machine_images import MachineImage
from ..aws.session import Account
from ..cancel import CancelToken
from ..errors import CloudError, UsageError
from ..farms.factory import open_account, open_farm
from ..jobs import named
from ..releases import check_released, series_of
from ..settings import Settings
from . import words
from .build import Builder, Built, Tested, new_build_id
from .copying import copy_image
from .families import TRIED_ON, builder_type
from .record import BuildRecord, BuildStore
from .tidying import tidy_builds

T = TypeVar("T")
Say = Callable[[str], None]


def order_build(
    settings: Settings,
    *,
    family: str,
    blender: tuple[str, ...],
    begin_with: str = PUBLIC,
    kms_key: str = "",
    unencrypted: bool = False,
    share: Iterable[str] = (),
) -> BuildRecord:
    """Return the record of a build for those machines with those versions or series ("4.2.23", "4.2").

    `begin_with` is "public" or the id of an image. The image's disk is encrypted with `kms_key` (id, ARN or alias), ""
    the account's default one, unless it is to be `unencrypted`; `share` are the ids of the accounts that it is to be
    shared with. Raises `UsageError`, `CloudError`, `ConfigError`.
    """
    accounts = image_sharing.account_ids(share)
    if accounts and not (kms_key or unencrypted):
        raise UsageError(
            "An image that is encrypted with the account's default key cannot be shared with another account",
            hint="Encrypt it with a key of your own (--kms-key), or leave it --unencrypted: nothing of yours is on it",
        )
    machine = builder_type(family)  # whatever is wrong with it must show before anything is asked
    for version in blender:
        series_of(version)
        check_released(version, mirror=settings.mirror)
    record = _record(replace(settings, image=begin_with), machine=machine, blender=blender)
    if not (kms_key or unencrypted):
        return record
    account = open_account(record.settings)
    if unencrypted and begin_with == AUTO:
        raise UsageError("An image of your own, with which auto begins, may be encrypted", hint="Leave out --image")
    if unencrypted and begin_with != PUBLIC and is_encrypted(account, begin_with):
        raise _only_encrypted(begin_with)
    encryption = _encryption(account, kms_key=kms_key, unencrypted=unencrypted, shared=bool(accounts))
    return replace(record, encryption=encryption, share=accounts)


def _encryption(account: Account, *, kms_key: str, unencrypted: bool, shared: bool = False) -> Encryption:
    if unencrypted and kms_key:
        raise UsageError("A disk is either encrypted with a key or not at all", hint="Leave out one of the two")
    if unencrypted and encrypts_all(account):
        raise UsageError(
            f"Your AWS account encrypts every new disk in {account.region}: an unencrypted image cannot be made there",
            hint="Encrypt it with a key of your own (--kms-key), or use another Region (--region)",
        )
    if not kms_key:
        return Encryption(on=not unencrypted)
    key = find_key(account, kms_key)
    if shared and not key.own:
        raise UsageError(
            f"{kms_key} is a key that AWS manages for your account: no other account can use it",
            hint="Make one of your own: aws kms create-key",
        )
    return Encryption(key=key.arn)


def _only_encrypted(image_id: str) -> UsageError:
    return UsageError(f"{image_id} is encrypted, and so is all that is made of it", hint="Leave out --unencrypted")


def order_test(settings: Settings, image: MachineImage, *, family: str = "") -> BuildRecord:
    """Return the record of a trial of that image, on a machine of `family` or the smallest of its kind.

    Raises `UsageError`, `ConfigError`.
    """
    kind = image.contents.kind
    if not family and kind not in TRIED_ON:
        raise UsageError(f"{image.id} is for machines of another kind: {kind!r}", hint="Name a family (--family)")
    machine = builder_type(family or TRIED_ON[kind])
    return _record(replace(settings, image=image.id), machine=machine, blender=image.contents.blender)


def _record(settings: Settings, *, machine: str, blender: tuple[str, ...]) -> BuildRecord:
    settings = named(settings)
    # One region: an image lives in one.
    settings = replace(settings, region=settings.regions[0])
    return BuildRecord(build_id=new_build_id(), instance_type=machine, blender=blender, settings=settings)


def build(record: BuildRecord, *, say: Say, cancel: CancelToken) -> Built:
    """Make the image that was ordered, and share it. Raises what `Builder` does, and `RecordError`."""
    built = _on_a_machine(record, Builder.build, say=say, cancel=cancel)
    if record.share:
        try:
            account = open_account(record.settings)
            image_sharing.share(account, machine_images.find_image(account, built.image.id), add=record.share)
        except CloudError as error:
            again = f"`cloudrender image share {built.image.id} {' '.join(record.share)}` tries it again"
            raise CloudError(
                f"The image {built.image.id} is ready, but not shared: {error.message}",
                hint=". ".join(filter(None, (error.hint, again))),
                details=error.details,
            ) from error
    return built


def test(record: BuildRecord, *, say: Say, cancel: CancelToken) -> Tested:
    """Try the image that was ordered to be. Raises what `Builder` does, and `RecordError`."""
    return _on_a_machine(record, Builder.test, say=say, cancel=cancel)


def _on_a_machine(record: BuildRecord, act: Callable[[Builder], T], *, say: Say, cancel: CancelToken) -> T:
    settings = record.settings
    tidy_builds(settings.home, say=say)
    account = open_account(settings)
    with BuildStore(settings.home).create(record) as folder:
        cancel.listen(folder.wish)
        farm = open_farm(settings, account=account, keys=folder.keys, encryption=record.encryption)
        return act(Builder(folder, account=account, farm=farm, say=say, cancel=cancel))


def copy(
    settings: Settings,
    image_id: str,
    *,
    region: str,
    kms_key: str = "",
    unencrypted: bool = False,
    say: Say,
    cancel: CancelToken,
) -> MachineImage:
    """Copy an image into another region and return the copy, once it is whole; what comes of a failed one is deleted.

    `kms_key` is one of that region, see `order_build`. Raises `UsageError`, `CloudError`, `Cancelled`.
    """
    account = open_account(settings)
    source = machine_images.find_image(account, image_id)
    if region == source.region:
        raise UsageError(f"{source.id} is in {region} already", hint="Copy it to another region")
    if source.job_id:
        raise UsageError(f"{source.id} is {words.state(source)}", hint="Copy it when it is finished")
    tidy_builds(settings.home, say=say)
    there = account.at(region)
    if unencrypted and is_encrypted(account, source.id):
        raise _only_encrypted(source.id)
    for each in machine_images.list_images(there):
        if each.name == source.name:
            raise UsageError(
                f"{region} has a copy of {source.id} already: {each.id} ({words.state(each)})",
                hint=f"Use it, or delete it first: `cloudrender image delete {each.id} --region {region}`",
            )
    encryption = _encryption(there, kms_key=kms_key, unencrypted=unencrypted)
    if encryption == DEFAULT_KEY:
        behind = image_sharing.look_behind(account, [source]).get(source.id)
        if behind and (behind.key is None or behind.key.own):
            how = "a key of your own" if behind.key else "no encryption"
            flags = "--kms-key" if behind.key else "--kms-key or --unencrypted"
            say(
                f"{source.id} has {how}; the copy will be encrypted with the account's default key in {region} and "
                f"cannot be shared (unless asked for with {flags})"
            )
    record = _record(replace(settings, region=region), machine="", blender=source.contents.blender)
    record = replace(record, encryption=encryption)
    with BuildStore(settings.home).create(record) as folder:
        cancel.listen(folder.wish)
        farm = open_farm(record.settings, account=there, keys=folder.keys)
        return copy_image(folder, source, account=there, farm=farm, say=say, cancel=cancel)
