# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image build | list | test | copy | delete`: machine images of the user's own."""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TypeVar

from ..backend.aws import machine_images
from ..backend.aws.machine_images import MachineImage
from ..backend.baking.build import IMAGE_SECONDS, Builder, new_build_id
from ..backend.baking.families import builder_type
from ..backend.baking.record import BuildRecord, BuildStore
from ..backend.baking.tidying import tidy_builds
from ..backend.cancel import CancelToken
from ..backend.errors import CloudrenderError, UsageError
from ..backend.farms.factory import open_account, open_farm
from ..backend.job.words import format_seconds
from ..backend.jobs import named
from ..backend.releases import check_released
from ..backend.scene import NEWEST_BLENDER
from ..backend.settings import Settings
from .ask import agreed
from .display import Display, printable
from .drive import stop_signals

T = TypeVar("T")
Say = Callable[[str], None]

_TICK_SECONDS = 0.25
_TRIED_ON = {"g": "g4dn", "p": "p3", "cpu": "c7i"}
_MONTH_SECONDS = 30 * 86_400.0


def image(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """Do what the command says; return the exit code."""
    act = {"build": _build, "list": _list, "test": _test, "copy": _copy, "delete": _delete}[arguments.action]
    return act(arguments, settings, display)


def _build(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    builder_type(arguments.family)  # whatever is wrong with it must show before anything else
    wanted = tuple(arguments.blender or [".".join(map(str, NEWEST_BLENDER))])
    for version in wanted:
        if not re.fullmatch(r"\d+\.\d+(\.\d+)?", version):
            raise UsageError(f"{version!r} is not a Blender version", hint="Write it as 4.2 or 4.2.3")
        check_released(version, mirror=settings.mirror)
    begin_with = settings.image if arguments.image else "public"
    record = _record(arguments.family, wanted, replace(settings, image=begin_with))
    tidy_builds(settings.home, say=display.say)
    built = _on_a_machine(record, lambda builder: builder.build(), display)
    image = built.image
    display.say(f"Image {image.id} in {image.region} is ready: {_contents(image)}, rendering on {built.baked.device}")
    display.say(f"Cost: ${built.cost_usd:.4f}; its {image.size_gb} GB of disk at most ${image.monthly_usd:.2f} a month")
    display.say(f"Jobs on such machines in {image.region} begin with it from now on (`--image public`: with AWS's)")
    account = open_account(record.settings)
    for old in _replaced(machine_images.list_images(account), image):
        display.say(f"An older one costs at most ${old.monthly_usd:.2f} a month: cloudrender image delete {old.id}")
    return 0


def _replaced(images: tuple[MachineImage, ...], new: MachineImage) -> list[MachineImage]:
    """Return the older images for the same kind of machines."""
    return [
        each for each in images if each.contents.kind == new.contents.kind and each.id != new.id and not each.job_id
    ]


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
    age = "age unknown" if image.created is None else f"age {format_seconds(max(0.0, time.time() - image.created))}"
    state = "half-made" if image.job_id else image.state
    text = f"{image.id}  {image.region}  {_contents(image)}  {state}  {age}"
    text = f"{text}  {image.size_gb} GB, at most ${image.monthly_usd:.2f} a month"
    old = image.created is not None and time.time() - image.created > 6 * _MONTH_SECONDS
    return f"{text}\n  → old: cloudrender image delete {image.id}" if old else text


def _contents(image: MachineImage) -> str:
    contents = image.contents
    machines = {"g": "graphics GPUs", "p": "compute GPUs", "cpu": "machines without GPU"}
    driver = f", NVIDIA {contents.driver}" if contents.driver else ""
    return f"for {machines.get(contents.kind, contents.kind)}, Blender {', '.join(contents.blender)}{driver}"


def _test(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    tried = machine_images.find_image(open_account(settings), arguments.ami)
    family = arguments.family or _TRIED_ON[tried.contents.kind]
    record = _record(family, tried.contents.blender, replace(settings, image=tried.id))
    tidy_builds(settings.home, say=display.say)
    result = _on_a_machine(record, lambda builder: builder.test(), display)
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
    account = open_account(settings)
    source = machine_images.find_image(account, arguments.ami)
    there = account.at(arguments.to)
    if source.job_id or arguments.to == source.region:
        raise UsageError(
            f"{source.id} is in {source.region}, {source.state}", hint="Copy a whole one to another region"
        )

    def work(say: Say, cancel: CancelToken) -> MachineImage:
        copy_id = machine_images.copy_image(there, source)
        try:
            say(f"AWS copies {source.id} to {copy_id} in {arguments.to}, which takes some minutes")
            deadline = time.monotonic() + IMAGE_SECONDS
            copied = machine_images.wait_until_available(there, copy_id, deadline=deadline, sleep=cancel.sleep)
            machine_images.keep_image(there, copied)
        except BaseException:
            machine_images.delete_image(there, copy_id)
            raise
        return copied

    copied = _watched(work, display)
    display.say(f"Image {copied.id} in {copied.region} is ready: {_contents(copied)}")
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


def _record(family: str, blender: tuple[str, ...], settings: Settings) -> BuildRecord:
    settings = named(settings)
    # One region: an image lives in one.
    settings = replace(settings, region=settings.regions[0])
    return BuildRecord(build_id=new_build_id(), instance_type=builder_type(family), blender=blender, settings=settings)


def _on_a_machine(record: BuildRecord, act: Callable[[Builder], T], display: Display) -> T:
    account = open_account(record.settings)
    with BuildStore(record.settings.home).create(record) as folder:
        farm = open_farm(record.settings, account=account, keys=folder.keys)

        def work(say: Say, cancel: CancelToken) -> T:
            return act(Builder(folder, account=account, farm=farm, say=say, cancel=cancel))

        return _watched(work, display)


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
