# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, checked before anything is rented: build an image, try one, copy one; and how that is done.

Who asks (terminal or Blender) gives a `say` for each step in a line, and a token that cancels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ..aws import machine_images
from ..aws.images import PUBLIC
from ..aws.machine_images import MachineImage
from ..cancel import CancelToken
from ..errors import UsageError
from ..farms.factory import open_account, open_farm
from ..jobs import named
from ..releases import check_released
from ..settings import Settings
from . import words
from .build import Builder, Built, Tested, new_build_id
from .copying import copy_image
from .families import TRIED_ON, builder_type
from .record import BuildRecord, BuildStore
from .tidying import tidy_builds

T = TypeVar("T")
Say = Callable[[str], None]


def order_build(settings: Settings, *, family: str, blender: tuple[str, ...], begin_with: str = PUBLIC) -> BuildRecord:
    """Return the record of a build for those machines with those versions or series ("4.2.23", "4.2").

    `begin_with` is "public" or the id of an image. Raises `UsageError`, `CloudError`, `ConfigError`.
    """
    machine = builder_type(family)  # whatever is wrong with it must show before anything is asked
    for version in blender:
        if not re.fullmatch(r"\d+\.\d+(\.\d+)?", version):
            raise UsageError(f"{version!r} is not a Blender version", hint="Write it as 4.2 or 4.2.3")
        check_released(version, mirror=settings.mirror)
    return _record(replace(settings, image=begin_with), machine=machine, blender=blender)


def order_test(settings: Settings, image: MachineImage, *, family: str = "") -> BuildRecord:
    """Return the record of a trial of that image, on a machine of `family` or the smallest of its kind."""
    machine = builder_type(family or TRIED_ON[image.contents.kind])
    return _record(replace(settings, image=image.id), machine=machine, blender=image.contents.blender)


def _record(settings: Settings, *, machine: str, blender: tuple[str, ...]) -> BuildRecord:
    settings = named(settings)
    # One region: an image lives in one.
    settings = replace(settings, region=settings.regions[0])
    return BuildRecord(build_id=new_build_id(), instance_type=machine, blender=blender, settings=settings)


def build(record: BuildRecord, *, say: Say, cancel: CancelToken) -> Built:
    """Make the image that was ordered. Raises what `Builder` does, and `RecordError`."""
    return _on_a_machine(record, Builder.build, say=say, cancel=cancel)


def test(record: BuildRecord, *, say: Say, cancel: CancelToken) -> Tested:
    """Try the image that was ordered to be. Raises what `Builder` does, and `RecordError`."""
    return _on_a_machine(record, Builder.test, say=say, cancel=cancel)


def _on_a_machine(record: BuildRecord, act: Callable[[Builder], T], *, say: Say, cancel: CancelToken) -> T:
    settings = record.settings
    tidy_builds(settings.home, say=say)
    account = open_account(settings)
    with BuildStore(settings.home).create(record) as folder:
        farm = open_farm(settings, account=account, keys=folder.keys)
        return act(Builder(folder, account=account, farm=farm, say=say, cancel=cancel))


def copy(settings: Settings, image_id: str, *, region: str, say: Say, cancel: CancelToken) -> MachineImage:
    """Copy an image into another region and return the copy, once it is whole; what comes of a failed one is deleted.

    Raises `UsageError`, `CloudError`, `Cancelled`.
    """
    account = open_account(settings)
    source = machine_images.find_image(account, image_id)
    if source.job_id or region == source.region:
        raise UsageError(
            f"{source.id} is in {source.region}, {source.state}", hint="Copy a whole one to another region"
        )
    tidy_builds(settings.home, say=say)
    there = account.at(region)
    for each in machine_images.list_images(there):
        if each.name == source.name:
            raise UsageError(
                f"{region} has a copy of {source.id} already: {each.id} ({words.state(each)})",
                hint=f"Use it, or delete it first: `cloudrender image delete {each.id} --region {region}`",
            )
    record = _record(replace(settings, region=region), machine="", blender=source.contents.blender)
    with BuildStore(settings.home).create(record) as folder:
        farm = open_farm(record.settings, account=there, keys=folder.keys)
        return copy_image(folder, source, account=there, farm=farm, say=say, cancel=cancel)
