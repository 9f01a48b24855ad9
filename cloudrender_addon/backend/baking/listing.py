# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of an account in several regions: one that was copied somewhere else must be no forgotten cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from ..atonce import all_at_once
from ..aws.image_sharing import Behind, look_behind
from ..aws.machine_images import MachineImage, list_images
from ..aws.session import Account
from ..errors import CloudrenderError


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What there is, region by region, oldest first, with what is `behind` each by its id.

    `problems` are the regions that could not be asked, with why.
    """

    images: tuple[MachineImage, ...]
    behind: Mapping[str, Behind]
    problems: Mapping[str, CloudrenderError]


def list_in(account: Account, regions: Collection[str]) -> Listing:
    """List the images made by cloudrender in these regions, all asked at once.

    Raises `CloudrenderError` if none of them could be.
    """
    answers = all_at_once([partial(_look, account.at(region)) for region in regions])
    problems = {answer.region: answer.problem for answer in answers if answer.problem is not None}
    if len(problems) == len(answers):
        raise next(iter(problems.values()))
    return Listing(
        images=tuple(image for answer in answers for image in answer.images),
        behind={id: behind for answer in answers for id, behind in answer.behind.items()},
        problems=problems,
    )


@dataclass(frozen=True, kw_only=True)
class _Answer:
    region: str
    images: tuple[MachineImage, ...] = ()
    behind: Mapping[str, Behind]
    problem: CloudrenderError | None = None


def _look(account: Account) -> _Answer:
    try:
        images = list_images(account)
        return _Answer(region=account.region, images=images, behind=look_behind(account, images))
    except CloudrenderError as error:  # of one region: the others are still worth a look
        return _Answer(region=account.region, behind={}, problem=error)
