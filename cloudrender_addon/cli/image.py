# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image build | list | test | copy | share | delete`: machine images of the user's own."""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TypeVar

from ..backend.aws import image_sharing, machine_images
from ..backend.aws.disk_keys import find_key, spot_grants
from ..backend.aws.image_sharing import Behind
from ..backend.aws.images import PUBLIC
from ..backend.aws.machine_images import MachineImage
from ..backend.aws.session import Account
from ..backend.baking import orders, words
from ..backend.cancel import CancelToken
from ..backend.errors import CloudrenderError, UsageError
from ..backend.farms.factory import open_account
from ..backend.scene import NEWEST_BLENDER
from ..backend.settings import Settings
from .ask import agreed
from .display import Display, printable
from .drive import stop_signals

T = TypeVar("T")
Say = Callable[[str], None]

_TICK_SECONDS = 0.25


def image(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """Do what the command says; return the exit code."""
    acts = {"build": _build, "list": _list, "test": _test, "copy": _copy, "share": _share, "delete": _delete}
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
    built = _watched(lambda say, cancel: orders.build(record, say=say, cancel=cancel), display)
    image = built.image
    display.say(
        f"Image {image.id} in {image.region} is ready: {words.contents(image)}, rendering on {built.baked.device}"
    )
    display.say(f"Cost: ${built.cost_usd:.4f}; its {words.disk(image)}")
    display.say(f"Jobs on such machines in {image.region} begin with it from now on (`--image public`: with AWS's)")
    account = open_account(record.settings)
    _tell_spot(arguments.kms_key, account, display)
    if record.share:
        _tell_shared(image_sharing.look_behind(account, [image])[image.id], arguments, display)
    _offer_older(image, account, arguments, display)
    return 0


def _offer_older(image: MachineImage, account: Account, arguments: argparse.Namespace, display: Display) -> None:
    """Tell which images this one replaces and what they cost; in a terminal, ask once whether to delete them."""
    older = words.replaced_by(image, machine_images.list_images(account))
    behind = image_sharing.look_behind(account, older)
    usd = _prices(older, behind)
    for each in older:
        held = behind.get(each.id)
        shared = f", shared with {', '.join(held.accounts)}," if held and held.accounts else ""
        price = f"at most ${usd[each.id]:.2f} a month"
        display.say(f"An older one{shared} costs {price}: cloudrender image delete {each.id}")
    if older and not arguments.json and sys.stdin.isatty():
        which = f"{len(older)} older images" if len(older) > 1 else "older image"
        if agreed(f"Delete the {which} for these machines (at most ${sum(usd.values()):.2f} a month)?"):
            _delete_all(account, older, display)


def _list(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    account = open_account(settings)
    images = machine_images.list_images(account)
    behind = image_sharing.look_behind(account, images)
    old, usd = words.superseded(images), _prices(images, behind)
    for each in images:
        if arguments.json:
            held = asdict(behind[each.id]) if each.id in behind else {}
            facts = {**asdict(each), **held, "monthly_usd": usd[each.id], "superseded": each in old}
            print(json.dumps(facts, ensure_ascii=False), flush=True)
        else:
            print(printable(_line(each, behind.get(each.id), superseded=each in old)), flush=True)
    if not images:
        display.say("There is no image made by cloudrender: `cloudrender image build --family g4dn` makes one")
    elif not arguments.json:
        display.say(f"In all at most ${sum(usd.values()):.2f} a month")
        if old:
            saved = sum(usd[each.id] for each in old)
            display.say(f"`cloudrender image delete --old` deletes {len(old)} of them and saves ${saved:.2f} of it")
    return 0


def _line(image: MachineImage, behind: Behind | None, *, superseded: bool = False) -> str:
    now = time.time()
    parts = [image.id, image.region, words.contents(image), words.state(image), words.age(image, now=now)]
    text = "  ".join([*parts, words.disk(image, behind), *([words.protection(behind)] if behind else [])])
    if superseded:
        return f"{text}\n  → no job begins with it any more: cloudrender image delete {image.id}"
    return f"{text}\n  → old: cloudrender image delete {image.id}" if words.is_old(image, now=now) else text


def _prices(images: Iterable[MachineImage], behind: dict[str, Behind]) -> dict[str, float]:
    """Return USD a month of each, at most, by its id."""
    return {each.id: words.monthly_usd(each, behind.get(each.id)) for each in images}


def _test(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    tried = machine_images.find_image(open_account(settings), arguments.ami)
    record = orders.order_test(settings, tried, family=arguments.family or "")
    result = _watched(lambda say, cancel: orders.test(record, say=say, cancel=cancel), display)
    baked = result.baked
    display.say(f"Device: {baked.device}")
    display.say(f"Driver: {baked.contents.driver or 'none'}")
    sample = "" if (seconds := result.first_sample_seconds) is None else f"first sample after {seconds:.1f} s, "
    display.say(
        f"From launch: answered after {result.answered_seconds:.1f} s, {sample}"
        f"first frame after {result.first_frame_seconds:.1f} s; cost ${result.cost_usd:.4f}"
    )
    if baked.downloaded:
        missing = ", ".join(baked.downloaded)
        raise CloudrenderError(
            f"Blender {missing} is not on {tried.id} as it should be", hint="Build another image and delete this one"
        )
    return 0


def _copy(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    copied = _watched(
        lambda say, cancel: orders.copy(
            settings,
            arguments.ami,
            region=arguments.to,
            kms_key=arguments.kms_key,
            unencrypted=arguments.unencrypted,
            say=say,
            cancel=cancel,
        ),
        display,
    )
    how = "not encrypted" if arguments.unencrypted else f"encrypted with {arguments.kms_key or 'the default key'}"
    display.say(f"Image {copied.id} in {copied.region} is ready: {words.contents(copied)}, {how}")
    _tell_spot(arguments.kms_key, open_account(settings).at(arguments.to), display)
    return 0


def _share(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    add, remove = image_sharing.account_ids(arguments.account), image_sharing.account_ids(arguments.stop)
    if not (add or remove):
        raise UsageError("No account is named", hint="cloudrender image share AMI ACCOUNT, or --stop ACCOUNT")
    account = open_account(settings)
    image = machine_images.find_image(account, arguments.ami)
    behind = image_sharing.share(account, image, add=add, remove=remove)
    _tell_shared(behind, arguments, display)
    if remove and behind.key:
        display.say(f"Take {', '.join(remove)} out of the policy and the grants of its key {behind.key.arn}, too")
    return 0


def _tell_shared(behind: Behind, arguments: argparse.Namespace, display: Display) -> None:
    """Say with whom an image is shared, and what the policy of its key needs for that."""
    accounts = [each for each in behind.accounts if each.isdigit()]  # others were added by hand
    statements = image_sharing.key_statements(behind.key, accounts) if behind.key and accounts else []
    if arguments.json:
        print(json.dumps({"accounts": behind.accounts, "key_statements": statements}), flush=True)
        return
    display.say(f"Shared with {', '.join(behind.accounts) or 'nobody'}")
    if behind.key and statements:
        display.say(f"They can open its disk once the policy of its key {behind.key.arn} has these statements, too:")
        print(json.dumps(statements, indent=2), flush=True)
        display.say("… and their spot machines after this:")
        print("\n".join(spot_grants(behind.key, accounts)), flush=True)


def _tell_spot(kms_key: str, account: Account, display: Display) -> None:
    """Say what else it takes until spot machines begin with an image that has a key of the user's own."""
    if kms_key and (key := find_key(account, kms_key)).own:
        display.say("Spot machines can open its disk once Amazon's Spot role may use the key; run this once:")
        display.say(spot_grants(key, [key.account])[0])


def _delete(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    if bool(arguments.ami) == arguments.old:
        raise UsageError("Name the images to delete, or use --old", hint="`cloudrender image list` tells what there is")
    account = open_account(settings)
    images = tuple(machine_images.find_image(account, each) for each in arguments.ami)
    if arguments.old:
        images = words.superseded(machine_images.list_images(account))
        if not images:
            display.say("There is no image that a newer one has taken the place of")
            return 0
    behind = image_sharing.look_behind(account, images)
    for each in images:
        display.say(_line(each, behind.get(each.id)))
    total = sum(_prices(images, behind).values())
    what = f"all {len(images)} with their" if len(images) > 1 else "it with its"
    if not arguments.yes and not agreed(f"Delete {what} snapshots (at most ${total:.2f} a month)?"):
        display.say("Nothing was changed")
        return 1
    _delete_all(account, images, display)
    return 0


def _delete_all(account: Account, images: Iterable[MachineImage], display: Display) -> None:
    for each in images:
        machine_images.delete_image(account, each.id)
        display.say(f"Deleted: {each.id} and {', '.join(each.snapshots)}")


def _watched(work: Callable[[Say, CancelToken], T], display: Display) -> T:
    """Run `work` on a thread and show what it says; Ctrl-C and SIGTERM reach it through the token."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    cancel = CancelToken()
    result: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work(said.put, cancel))
        except BaseException as error:  # noqa: BLE001 - raised on the main thread
            errors.append(error)

    # A daemon: if this process must go, it goes; the record and the machine's own switch do the rest.
    thread = threading.Thread(target=run, name="image", daemon=True)
    with stop_signals(cancel) as presses:
        thread.start()
        answered = 0
        while True:
            alive = thread.is_alive()  # asked first: what a thread says before its end is in the queue then
            with contextlib.suppress(queue.Empty):
                while True:
                    display.say(said.get(timeout=_TICK_SECONDS if alive else 0.0))
            if len(presses) > answered:
                display.say("Still ending what was begun; please wait" if answered else "Stopping …")
                answered = len(presses)
            if not alive:
                break
    if errors:
        raise errors[0]
    return result[0]
