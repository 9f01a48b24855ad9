# SPDX-License-Identifier: GPL-3.0-or-later
"""How the making of an image ends: with a whole image that is the user's, or with nothing at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..aws import image_making, inventory, machine_images
from ..aws.errors import certainly_refused
from ..aws.inventory import Kind, Resource
from ..aws.machine_images import MachineImage
from ..aws.pace import insisted, paced
from ..aws.session import Account
from ..errors import CleanupError, CloudError, ImageError
from ..farms.base import Farm
from ..job.words import format_seconds
from .record import BuildFolder

IMAGE_SECONDS = 5400.0
"""How long to wait for AWS to make or copy an image."""

APPEAR_SECONDS = 10.0
"""How long to look for an image that was asked for, without an answer: EC2 is eventually consistent."""

_ASK_SECONDS = _KEEP_SECONDS = 120.0
_TRY_AGAIN_SECONDS = 60.0
_SAY_EVERY = 60.0


def ask_for_image(folder: BuildFolder, ask: Callable[[], str], *, sleep: Callable[[float], None]) -> str:
    """Note that an image is asked for, and return its id, which `ask` does. It may be called several times.

    Raises what `ask` and `sleep` raise.
    """
    calls = 0

    def count_and_ask() -> str:
        nonlocal calls
        calls += 1
        return ask()

    record = folder.load()
    folder.save(replace(record, image_asked=True))
    try:
        return insisted(count_and_ask, deadline=time.monotonic() + _ASK_SECONDS, sleep=sleep)
    except CloudError as error:
        if calls == 1 and certainly_refused(error):
            folder.save(record)
        raise


def finish_image(
    folder: BuildFolder,
    account: Account,
    image_id: str,
    *,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
) -> MachineImage:
    """Wait until an image is whole, and make it the user's. Raises `ImageError`, `CloudError`, what `sleep` raises."""
    deadline = time.monotonic() + IMAGE_SECONDS
    image = image_making.wait_until_available(account, image_id, deadline=deadline, sleep=_telling(sleep, say))
    # From here on the image is wanted: whoever finds the record finishes it instead of undoing it.
    folder.save(replace(folder.load(), image_id=image.id))
    deadline = time.monotonic() + _KEEP_SECONDS
    insisted(lambda: machine_images.keep_image(account, image), deadline=deadline, sleep=sleep)
    return replace(image, job_id="")


def end_now(folder: BuildFolder, *, account: Account, farm: Farm, cause: BaseException | None = None) -> None:
    """End what was begun, as `end_build`, for a minute longer if AWS is too busy; its error is raised from `cause`."""
    for last in paced(deadline=time.monotonic() + _TRY_AGAIN_SECONDS, first=2.0, longest=15.0):
        try:
            end_build(folder, account=account, farm=farm)
        except CloudError as unclean:
            if last or not _passing(unclean):
                raise unclean from cause
        else:
            return


def end_build(folder: BuildFolder, *, account: Account, farm: Farm) -> None:
    """End what the record of a build names: its machine, and its image unless that is whole; then close the record.

    Idempotent; also for a build whose client died. The caller holds the folder's lock. Not interrupted by cancellation.
    Raises `CleanupError`, `CloudError`, `RecordError`: the record stays.
    """
    record = folder.load()
    if record.machine is not None:  # first: it may cost more than all the rest
        farm.release(record.machine)
    if record.image_id:
        try:
            image = machine_images.find_image(account, record.image_id)
        except ImageError:
            pass  # deleted meanwhile
        else:
            if image.job_id:
                machine_images.keep_image(account, image)
    elif record.image_asked:
        inventory.end(account, _half_made(account, record.build_id))
        # Of an image that AWS had only begun, the snapshots may show up by themselves, or late.
        inventory.end(account, inventory.list_ours(account, job_id=record.build_id, kinds={Kind.SNAPSHOT}))
    folder.forget()


def _half_made(account: Account, build_id: str) -> tuple[Resource, ...]:
    found: tuple[Resource, ...] = ()
    for _ in paced(deadline=time.monotonic() + APPEAR_SECONDS, first=0.5, longest=3.0):
        if found := inventory.list_ours(account, job_id=build_id, kinds={Kind.IMAGE}):
            break
    return found


def _passing(unclean: CloudError) -> bool:
    """Tell whether it was AWS's being busy, or the network, that kept something from being ended."""
    cause = unclean.__cause__ if isinstance(unclean, CleanupError) else unclean
    return isinstance(cause, CloudError) and cause.retryable


def _telling(sleep: Callable[[float], None], say: Callable[[str], None]) -> Callable[[float], None]:
    began = told = time.monotonic()

    def wait(seconds: float) -> None:
        nonlocal told
        sleep(seconds)
        if time.monotonic() - told >= _SAY_EVERY:
            told = time.monotonic()
            say(f"AWS still makes the image, since {format_seconds(told - began)}")

    return wait
