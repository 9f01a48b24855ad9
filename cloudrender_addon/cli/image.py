# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image build | list | test | copy | delete`: machine images of the user's own."""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TypeVar

from ..backend.aws import machine_images
from ..backend.aws.images import PUBLIC
from ..backend.aws.machine_images import MachineImage
from ..backend.baking import orders, words
from ..backend.cancel import CancelToken
from ..backend.errors import CloudrenderError
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
    act = {"build": _build, "list": _list, "test": _test, "copy": _copy, "delete": _delete}[arguments.action]
    return act(arguments, settings, display)


def _build(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    record = orders.order_build(
        settings,
        family=arguments.family,
        blender=tuple(arguments.blender or [".".join(map(str, NEWEST_BLENDER))]),
        begin_with=settings.image if arguments.image else PUBLIC,
    )
    built = _watched(lambda say, cancel: orders.build(record, say=say, cancel=cancel), display)
    image = built.image
    display.say(
        f"Image {image.id} in {image.region} is ready: {words.contents(image)}, rendering on {built.baked.device}"
    )
    display.say(f"Cost: ${built.cost_usd:.4f}; its {words.disk(image)}")
    display.say(f"Jobs on such machines in {image.region} begin with it from now on (`--image public`: with AWS's)")
    for old in words.replaced_by(image, machine_images.list_images(open_account(record.settings))):
        display.say(f"An older one costs at most ${old.monthly_usd:.2f} a month: cloudrender image delete {old.id}")
    return 0


def _list(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    images = machine_images.list_images(open_account(settings))
    for each in images:
        if arguments.json:
            print(json.dumps({**asdict(each), "monthly_usd": each.monthly_usd}, ensure_ascii=False), flush=True)
        else:
            print(printable(_line(each)), flush=True)
    if not images:
        display.say("There is no image made by cloudrender: `cloudrender image build --family g4dn` makes one")
    return 0


def _line(image: MachineImage) -> str:
    now = time.time()
    text = f"{image.id}  {image.region}  {words.contents(image)}  {words.state(image)}  {words.age(image, now=now)}"
    text = f"{text}  {words.disk(image)}"
    return f"{text}\n  → old: cloudrender image delete {image.id}" if words.is_old(image, now=now) else text


def _test(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    tried = machine_images.find_image(open_account(settings), arguments.ami)
    record = orders.order_test(settings, tried, family=arguments.family or "")
    result = _watched(lambda say, cancel: orders.test(record, say=say, cancel=cancel), display)
    baked = result.baked
    display.say(f"Device: {baked.device}")
    display.say(f"Driver: {baked.contents.driver or 'none'}")
    display.say(
        f"From launch: answered after {result.answered_seconds:.1f} s, first frame after "
        f"{result.first_frame_seconds:.1f} s; cost ${result.cost_usd:.4f}"
    )
    if baked.downloaded:
        missing = ", ".join(baked.downloaded)
        raise CloudrenderError(
            f"Blender {missing} is not on {tried.id} as it should be", hint="Build another image and delete this one"
        )
    return 0


def _copy(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    copied = _watched(
        lambda say, cancel: orders.copy(settings, arguments.ami, region=arguments.to, say=say, cancel=cancel), display
    )
    display.say(f"Image {copied.id} in {copied.region} is ready: {words.contents(copied)}")
    return 0


def _delete(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    account = open_account(settings)
    images = [machine_images.find_image(account, each) for each in arguments.ami]
    for each in images:
        display.say(_line(each))
    if not arguments.yes and not agreed("Delete it with its snapshots?"):
        display.say("Nothing was changed")
        return 1
    for each in images:
        machine_images.delete_image(account, each.id)
        display.say(f"Deleted: {each.id} and {', '.join(each.snapshots)}")
    return 0


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
