# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image build | list | test | copy | share | delete`: machine images of the user's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict

from ..backend.aws import image_sharing, machine_images
from ..backend.aws.images import PUBLIC
from ..backend.aws.machine_images import MachineImage
from ..backend.aws.session import Account
from ..backend.baking import orders, words
from ..backend.errors import CloudrenderError, ConfigError, UsageError
from ..backend.farms.factory import open_account
from ..backend.scene import NEWEST_BLENDER
from ..backend.setting_values import convert
from ..backend.settings import Settings
from .ask import agreed
from .display import Display
from .image_list import facts, line, list_images, look, prices, put_json, regions_of
from .image_sharing import share, tell_shared, tell_spot
from .watched import watched


def image(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """Do what the command says; return the exit code."""
    acts = {"build": _build, "list": list_images, "test": _test, "copy": _copy, "share": share, "delete": _delete}
    act = acts[arguments.action]
    return act(arguments, settings, display)


def _build(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    record = orders.order_build(
        settings,
        family=arguments.family,
        blender=tuple(arguments.blender or [".".join(map(str, NEWEST_BLENDER))]),
        begin_with=settings.image if arguments.image else PUBLIC,
        kms_key=arguments.kms_key,
        unencrypted=arguments.unencrypted,
        share=arguments.share.split(",") if arguments.share else (),
    )
    if arguments.unencrypted:
        display.say("The image will not be encrypted; nothing of yours is on it")
    built = watched(lambda say, cancel: orders.build(record, say=say, cancel=cancel), display)
    image = built.image
    account = open_account(record.settings)
    behind = image_sharing.look_behind(account, [image]).get(image.id)
    display.say(
        f"Image {image.id} in {image.region} is ready: {words.contents(image)}, rendering on {built.baked.device}"
    )
    display.say(f"Cost: ${built.cost_usd:.4f}. Its disk: {words.disk(image, behind)}")
    tell_spot(arguments, account, display)
    display.say(
        f"Jobs with Blender {', '.join(image.contents.series)} on such machines in {image.region} begin with it from "
        "now on (`--image public`: with AWS's)"
    )
    if arguments.json:
        more = {"device": built.baked.device, "cost_usd": built.cost_usd}
        put_json({"event": "image_built", **facts(image, behind), **more})
    if record.share and behind:
        tell_shared(behind, arguments, display)
    _offer_older(image, account, arguments, display)
    return 0


def _offer_older(image: MachineImage, account: Account, arguments: argparse.Namespace, display: Display) -> None:
    """Tell which images this one replaces and what they cost; in a terminal, ask once whether to delete them."""
    images = machine_images.list_images(account)
    behind = image_sharing.look_behind(account, images)
    older = words.replaced_by(image, images, behind)
    usd = prices(older, behind)
    for each in older:
        display.say(f"An older one costs at most ${usd[each.id]:.2f} a month: `cloudrender image delete {each.id}`")
    if older and not arguments.json and sys.stdin.isatty():
        which = f"{len(older)} older images" if len(older) > 1 else "older image"
        if agreed(f"Delete the {which} for these machines (at most ${sum(usd.values()):.2f} a month)?"):
            _delete_all(account, older, display)


def _test(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    tried = machine_images.find_image(open_account(settings), arguments.ami)
    record = orders.order_test(settings, tried, family=arguments.family or "")
    result = watched(lambda say, cancel: orders.test(record, say=say, cancel=cancel), display)
    baked = result.baked
    display.say(f"Device: {baked.device}")
    display.say(f"Driver: {baked.contents.driver or 'none'}")
    display.say(f"{words.times(result)}; cost ${result.cost_usd:.4f}")
    if arguments.json:
        more = asdict(result) | {"baked": {"device": baked.device, "downloaded": baked.downloaded}}
        put_json({"event": "image_tested", **facts(tried, None), **more})
    if baked.downloaded:
        missing = ", ".join(baked.downloaded)
        raise CloudrenderError(
            f"Blender {missing} is not on {tried.id} as it should be", hint="Build another image and delete this one"
        )
    return 0


def _copy(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    region = _one_region(arguments.to)
    copied = watched(
        lambda say, cancel: orders.copy(
            settings,
            arguments.ami,
            region=region,
            kms_key=arguments.kms_key,
            unencrypted=arguments.unencrypted,
            say=say,
            cancel=cancel,
        ),
        display,
    )
    how = "not encrypted" if arguments.unencrypted else f"encrypted with {arguments.kms_key or 'the default key'}"
    display.say(f"Image {copied.id} in {copied.region} is ready: {words.contents(copied)}, {how}")
    if arguments.json:
        put_json({"event": "image_copied", **facts(copied, None)})
    tell_spot(arguments, open_account(settings).at(region), display)
    return 0


def _one_region(text: str) -> str:
    try:
        region = str(convert("region", text, where="given as --region"))
    except ConfigError as error:
        raise UsageError(error.message, hint="It must be one like eu-central-1") from error
    if "," in region:
        raise UsageError(f"{text!r} is more than one region (given as --region)", hint="Copy to one after the other")
    return region


def _delete(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    if bool(arguments.ami) == arguments.old:
        cause = "Either images are named, or --old means all of those" if arguments.ami else "No image is named"
        hint = "`cloudrender image delete AMI` deletes one of those of `cloudrender image list`, --old all old ones"
        raise UsageError(cause, hint=hint)
    account = open_account(settings)
    images = tuple(machine_images.find_image(account, each) for each in arguments.ami)
    if arguments.old:
        regions = regions_of(arguments, settings, account)
        listing = look(account, regions, display)
        images, behind = words.superseded(listing.images, listing.behind), listing.behind
        if not images:
            display.say(f"There is no image that a newer one has taken the place of in {', '.join(regions)}")
            return 1 if listing.problems else 0
    else:
        behind = image_sharing.look_behind(account, images)
    for each in images:
        display.say(line(each, behind.get(each.id)))
    total = sum(prices(images, behind).values())
    what = f"all {len(images)} with their" if len(images) > 1 else "it with its"
    if not arguments.yes and not agreed(f"Delete {what} snapshots (at most ${total:.2f} a month)?"):
        display.say("Nothing was changed")
        return 1
    _delete_all(account, images, display)
    return 0


def _delete_all(account: Account, images: Iterable[MachineImage], display: Display) -> None:
    for each in images:
        machine_images.delete_image(account.at(each.region), each.id)
        display.say(f"Deleted: {each.id} and {', '.join(each.snapshots)}")
