# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a machine image: rent a machine, run the recipe on it, make the image of its disk, end the machine.

All layers by which a job leaves no machine behind hold here too: the record is written before the launch, everything
carries the build's tag, the machine has its lease and its lifetime. Only a machine that is stopped has no switch of its
own (nothing runs on it): it costs its disk until the record or the tag leads to it.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..aws import image_making
from ..aws.images import image_kind
from ..aws.machine_images import MachineImage
from ..aws.session import Account
from ..cancel import CancelToken
from ..clock import now
from ..errors import CapacityError, MachineGoneError, NotOfferedError, QuotaError
from ..farms.base import Farm, Machine, MachineRequest
from ..job.cost import machine_cost
from ..job.spec import new_job_id
from .finishing import ask_for_image, end_now, finish_image
from .recipe import Recipe
from .record import BuildFolder
from .said import Baked
from .steady import run_recipe

LIFETIME_SECONDS = 7200
"""After which a builder ends itself. It is stopped long before: what takes longest is AWS making the image."""

STOP_SECONDS = 600.0
_BLENDER_BYTES = 2 << 30


def new_build_id() -> str:
    """Make a name for a build, which its machine and image carry: "image-20261126-020300-3f9a"."""
    return f"image-{new_job_id()}"


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image that is there to stay, and what its making cost (USD)."""

    image: MachineImage
    baked: Baked
    cost_usd: float


@dataclass(frozen=True, kw_only=True)
class Tested:
    """How an image did. Seconds are from the launch, as a job's (`job/timing.py`).

    Until the machine answered, its first sample was done (None: that was not told), its first frame was finished.
    """

    baked: Baked
    answered_seconds: float
    first_sample_seconds: float | None
    first_frame_seconds: float
    cost_usd: float


class Builder:
    """Makes or tries one image on a machine of its own. The caller holds the lock of `folder`.

    `say` is told each step in a line. Every method ends the machine and sees it gone, whatever happens; they raise
    `CloudError` and its kinds (`CleanupError` if something may be left: the next start tries again), `MachineError`,
    `GpuError`, `Cancelled`.
    """

    def __init__(
        self, folder: BuildFolder, *, account: Account, farm: Farm, say: Callable[[str], None], cancel: CancelToken
    ) -> None:
        self._folder = folder
        self._account = account
        self._farm = farm
        self._say = say
        self._cancel = cancel
        self._record = folder.load()

    def build(self) -> Built:
        """Make the image."""
        try:
            with self._in_other_words():
                machine = self._rent()
                image_making.try_rights(self._account, machine.instance_id or "")
                baked = self._run(machine, test=False)
                image = self._make(machine, baked)
        except BaseException as error:
            self._undo(error)
            raise
        return Built(image=image, baked=baked, cost_usd=self._end())

    def test(self) -> Tested:
        """Try the image that the settings name."""
        try:
            with self._in_other_words():
                machine = self._rent()
                answered_at = now()
                baked = self._run(machine, test=True)
        except BaseException as error:
            self._undo(error)
            raise
        launched_at = machine.launched_at or answered_at
        sampled_at = baked.first_sample_at
        return Tested(
            baked=baked,
            answered_seconds=answered_at - launched_at,
            first_sample_seconds=None if sampled_at is None else max(sampled_at - launched_at, 0.0),
            first_frame_seconds=baked.first_frame_at - launched_at,
            cost_usd=self._end(),
        )

    @contextlib.contextmanager
    def _in_other_words(self) -> Iterator[None]:
        """Let an error name the next step of who makes an image, where it would name that of who renders."""
        name = self._record.instance_type
        larger = f"{name.partition('.')[0]}.2xlarge"
        try:
            yield
        except NotOfferedError as error:
            error.hint = "Choose another region (--region) or family (--family)"
            raise
        except CapacityError as error:
            error.hint = (
                "It was asked for on-demand in every zone: try again in some minutes, or with another size "
                f"(--family {larger}) or region (--region)"
            )
            raise
        except QuotaError as error:
            error.hint = (
                "An image is made on an on-demand machine, which has a quota of its own: `cloudrender quota "
                f"--purchase on-demand -c {name} --request` asks AWS for more (it takes hours to days)"
            )
            raise
        except MachineGoneError as error:
            error.hint = "Nothing of it can be gone on with: start it again"
            raise

    def _rent(self) -> Machine:
        """Return a machine that answers."""
        record = self._record
        settings = record.settings
        request = MachineRequest(
            job_id=record.build_id,
            token=f"{record.build_id}-{secrets.token_hex(4)}",
            instance_types=(record.instance_type,),
            region=settings.regions[0],
            disk_bytes=_BLENDER_BYTES * len(record.blender),
            lifetime_seconds=LIFETIME_SECONDS,
            lease_seconds=max(int(settings.lease_minutes * 60), 1),
            on_demand=True,  # a spot machine cannot be stopped, and may be taken back in the middle
        )
        machine = self._farm.plan(request)
        self._say(
            f"{record.instance_type} on-demand in {machine.region}, ${machine.hourly_usd:.3f} an hour with disk and "
            f"address, begins with {machine.offer.image_id}"
        )
        self._cancel.check()
        # Written before the launch: whatever happens from here on, the next start knows what to look for.
        self._save(machine=machine)
        machine = self._farm.launch(machine)
        self._save(machine=machine)
        self._say(f"Machine {machine.instance_id} is starting")
        deadline = time.monotonic() + machine.offer.boot_seconds(settings.boot_minutes)
        machine, link = self._farm.connect(machine, cancel=self._cancel, deadline=deadline)
        link.close()
        self._save(machine=machine)
        return machine

    def _run(self, machine: Machine, *, test: bool) -> Baked:
        record = self._record
        recipe = (Recipe.to_try if test else Recipe.to_make)(
            kind=image_kind(machine.offer.gpu), mirror=record.settings.mirror, blender=record.blender
        )
        return run_recipe(
            recipe,
            machine=machine,
            farm=self._farm,
            key_file=self._folder.keys / "job_key",
            say=self._say,
            cancel=self._cancel,
        )

    def _make(self, machine: Machine, baked: Baked) -> MachineImage:
        account, build_id, sleep = self._account, self._record.build_id, self._cancel.sleep
        instance_id = machine.instance_id
        assert instance_id is not None  # noqa: S101 - for the type checker
        self._say("Shutting the machine down")
        image_making.stop_machine(account, instance_id, deadline=time.monotonic() + STOP_SECONDS, sleep=sleep)
        image_id = ask_for_image(
            self._folder,
            lambda: image_making.make_image(
                account,
                instance_id=instance_id,
                job_id=build_id,
                name=f"cloudrender-{build_id}",
                contents=baked.contents,
            ),
            sleep=sleep,
        )
        self._say(f"AWS makes the image {image_id}, which takes some minutes")
        return finish_image(self._folder, account, image_id, say=self._say, sleep=sleep)

    def _undo(self, cause: BaseException) -> None:
        """End all that was begun and say what it cost. Raises `CleanupError`, from `cause`."""
        if self._record.machine is not None:
            self._say("Undoing what was done")
        cost = self._end(cause)
        self._say("Nothing is left running" + (f". Cost: ${cost:.4f}" if cost else ""))

    def _end(self, cause: BaseException | None = None) -> float:
        """End all but a finished image; return what the machine cost. Raises `CleanupError`, from `cause`."""
        machine = self._record.machine
        end_now(self._folder, account=self._account, farm=self._farm, cause=cause)
        return machine_cost(machine, until=now()) if machine and machine.launched_at else 0.0

    def _save(self, **changes: object) -> None:
        self._record = replace(self._record, **changes)  # type: ignore[arg-type]
        self._folder.save(self._record)
