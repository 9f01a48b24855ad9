# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine images of the user's account in Blender: listed, found, deleted."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import CloudError, CloudrenderError
from . import announce, image_texts
from .background import in_background
from .preferences import settings_for
from .pump import redraw
from .session import IMAGE_LIST, SESSION, deleting

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.aws.image_sharing import Behind
    from ..backend.aws.machine_images import MachineImage
    from ..backend.aws.session import Account
    from ..backend.settings import Settings

_log = logging.getLogger(__name__)


def delete(context: Context, image: MachineImage) -> bool:
    """Delete an image with its snapshots; False if that is under way. Raises `ConfigError`."""
    settings = beside(settings_for(context), image)

    def work() -> None:
        from ..backend.aws.machine_images import delete_image  # noqa: PLC0415 - boto3 takes half a second
        from ..backend.farms.factory import open_account  # noqa: PLC0415

        delete_image(open_account(settings), image.id)

    def then(_: None) -> None:
        SESSION.images = tuple(each for each in SESSION.images or () if each.id != image.id)
        if SESSION.baked is not None and SESSION.baked.image is not None and SESSION.baked.image.id == image.id:
            SESSION.baked = None  # it has replaced nothing
        cost = image_texts.monthly(image, SESSION.behind.get(image.id))
        announce.say("INFO", f"Deleted: {image.id}, which cost at most {cost}")

    return in_background(deleting(image.id), work, then=then, failed=tell_failed)


def refresh(context: Context) -> bool:
    """List the images in the regions that the preferences name; False if that is under way. Raises `ConfigError`."""
    settings = settings_for(context)

    def ask() -> tuple[tuple[MachineImage, ...], dict[str, Behind]]:
        from ..backend.aws.machine_images import list_images  # noqa: PLC0415 - see delete
        from ..backend.farms.factory import open_account  # noqa: PLC0415

        account = open_account(settings)
        found: list[MachineImage] = []
        behind: dict[str, Behind] = {}
        for region in settings.regions or (None,):
            there = account.at(region)
            found += (images := list_images(there))
            behind |= behind_of(there, images)
        return tuple(found), behind

    return in_background(IMAGE_LIST, ask, then=_take_images, failed=tell_failed)


def beside(settings: Settings, image: MachineImage) -> Settings:
    """Return the settings for the region of an image."""
    return replace(settings, region=image.region)


def behind_of(account: Account, images: tuple[MachineImage, ...]) -> dict[str, Behind]:
    """Return what is behind the images, by their ids, as far as the user may know. Not for the main thread."""
    from ..backend.aws.image_sharing import look_behind  # noqa: PLC0415 - see delete

    try:
        return look_behind(account, images)
    except CloudError:
        # It takes rights that who only renders lacks; without it, costs are those of whole disks.
        _log.info("nothing is known of what is behind the images", exc_info=True)
        return {}


def find(image_id: str) -> MachineImage | None:
    """Return one of the images that were listed, or was made just now."""
    new = SESSION.baked.image if SESSION.baked else None
    known = (*(SESSION.images or ()), *([new] if new else ()))
    return next((image for image in known if image.id == image_id), None)


def refresh_quietly() -> None:
    """List them anew, as something has changed; what is wrong with that was told before."""
    try:
        refresh(bpy.context)
    except CloudrenderError:
        _log.warning("the images cannot be listed", exc_info=True)


def _take_images(listed: tuple[tuple[MachineImage, ...], dict[str, Behind]]) -> None:
    SESSION.images, SESSION.behind = listed
    redraw()


def tell_failed(error: CloudrenderError) -> None:
    """Say what went wrong."""
    announce.say("WARNING", f"{error.message}. {error.hint}".strip())
    redraw()
