# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images are built, tried and copied, one at a time, on a thread of its own.

What is rented for it is on record, as for the terminal: whatever becomes of this Blender, it is ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..backend.errors import Cancelled, CloudrenderError, ConfigError
from . import announce, image_texts, images
from .background import in_background
from .preferences import jobs_home, settings_for
from .session import IMAGE_WORK, SESSION, Baking

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.aws.image_sharing import Behind
    from ..backend.aws.machine_images import MachineImage
    from ..backend.baking.build import Built, Tested
    from ..backend.baking.record import BuildFolder, BuildRecord
    from .session import Baked

T = TypeVar("T")

_LEAVE_SECONDS = 2.0

_log = logging.getLogger(__name__)


def build(
    context: Context,
    *,
    family: str,
    blender: tuple[str, ...],
    kms_key: str = "",
    unencrypted: bool = False,
    share: tuple[str, ...] = (),
) -> bool:
    """Begin to make an image for those machines; False if something of the kind is under way.

    See `orders.order_build`, which says what is wrong with any of it later. Raises `ConfigError`.
    """
    settings = settings_for(context)

    def work(baking: Baking, say: Callable[[str], None]) -> tuple[Built, Behind | None]:
        from ..backend.baking import orders  # noqa: PLC0415 - boto3 and paramiko take a second
        from ..backend.farms.factory import open_account  # noqa: PLC0415

        record = orders.order_build(
            settings, family=family, blender=blender, kms_key=kms_key, unencrypted=unencrypted, share=share
        )
        _note(baking, record)
        made = orders.build(record, say=say, cancel=baking.cancel)
        return made, images.behind_of(open_account(record.settings), (made.image,)).get(made.image.id)

    return _begin("Image Build", work, then=lambda result: image_texts.built(*result))


def test(context: Context, image: MachineImage) -> bool:
    """Begin to try an image on a machine; else like `build`."""
    settings = images.beside(settings_for(context), image)

    def work(baking: Baking, say: Callable[[str], None]) -> Tested:
        from ..backend.baking import orders  # noqa: PLC0415 - see build

        record = orders.order_test(settings, image)
        _note(baking, record)
        return orders.test(record, say=say, cancel=baking.cancel)

    return _begin("Image Test", work, then=lambda tested: image_texts.tested(image, tested))


def copy(context: Context, image: MachineImage, *, region: str) -> bool:
    """Begin to copy an image into another region; else like `build`."""
    settings = images.beside(settings_for(context), image)

    def work(baking: Baking, say: Callable[[str], None]) -> MachineImage:
        from ..backend.baking import orders  # noqa: PLC0415 - see build

        return orders.copy(settings, image.id, region=region, say=say, cancel=baking.cancel)

    return _begin("Image Copy", work, then=image_texts.copied)


def cancel() -> None:
    """Give up what is under way: all of it is undone, which takes a minute."""
    if SESSION.baking is not None:
        SESSION.baking.cancel.cancel()


def leave() -> BuildFolder | None:
    """Give up what is under way, within seconds; return the record of what may still have to be ended."""
    baking = SESSION.baking
    if baking is None:
        return None
    baking.cancel.cancel()
    return None if baking.over.wait(_LEAVE_SECONDS) else baking.folder


def tidy() -> None:
    """End what builds have left whose Blender, or terminal, died. For the start of Blender."""
    home = jobs_home()

    def end() -> list[str]:
        from ..backend.baking.record import BuildStore  # noqa: PLC0415 - see build

        said: list[str] = []
        if BuildStore(home).folders():
            from ..backend.baking.tidying import tidy_builds  # noqa: PLC0415 - only if there is something to end

            tidy_builds(home, say=said.append)
        return said

    def tell(said: list[str]) -> None:
        for text in said[-1:]:
            _log.info("%s", "; ".join(said))
            announce.say("WARNING" if "could not" in text else "INFO", text)

    in_background("tidy builds", end, then=tell, failed=images.tell_failed)


def _note(baking: Baking, record: BuildRecord) -> None:
    from ..backend.baking.record import BuildStore  # noqa: PLC0415 - see build

    baking.folder = BuildStore(record.settings.home).folder(record.build_id)


def _begin(title: str, work: Callable[[Baking, Callable[[str], None]], T], *, then: Callable[[T], Baked]) -> bool:
    if IMAGE_WORK in SESSION.busy:
        return False
    baking = Baking(title=title)
    SESSION.baking, SESSION.baked = baking, None

    def say(text: str) -> None:
        SESSION.inbox.put(lambda: _tell(baking, text))

    def body() -> T:
        from .dependencies import check_dependencies  # noqa: PLC0415 - see build

        try:
            if problem := check_dependencies():
                raise ConfigError(problem.message, hint=problem.hint)
            return work(baking, say)
        finally:
            baking.over.set()

    return in_background(
        IMAGE_WORK, body, then=lambda result: _take(then(result)), failed=lambda error: _give_up(title, error)
    )


# -- on the main thread --------------------------------------------------------------------------------


def _tell(baking: Baking, text: str) -> None:
    baking.doing, baking.since = text, time.time()


def _take(baked: Baked) -> None:
    SESSION.baking, SESSION.baked = None, baked
    announce.say("WARNING" if baked.failed else "INFO", f"{baked.title}: {baked.lines[0]}")
    images.refresh_quietly()


def _give_up(title: str, error: CloudrenderError) -> None:
    SESSION.baking = None
    if isinstance(error, Cancelled):
        announce.say("INFO", f"{title} canceled; nothing is left running")
    else:
        SESSION.baked = image_texts.failed(title, error)
        announce.say("ERROR", f"{title}: {error.message}. {error.hint}".strip())
    if SESSION.images is not None:
        images.refresh_quietly()
