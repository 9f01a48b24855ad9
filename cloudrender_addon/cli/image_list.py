# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image list`: what there is, what it costs and what to do about it; an image on a line, for programs."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..backend.aws.image_sharing import Behind
from ..backend.aws.machine_images import MachineImage
from ..backend.aws.session import Account
from ..backend.baking import words
from ..backend.baking.listing import Listing, list_in
from ..backend.baking.record import BuildStore
from ..backend.baking.tidying import driven_builds
from ..backend.farms.factory import open_account
from ..backend.known_regions import known_regions
from ..backend.settings import Settings
from .display import Display, put
from .job_list import half_way_lines


def list_images(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """List the images; return 1 if a region could not be asked."""
    account = open_account(settings)
    regions = regions_of(arguments, settings, account)
    usual = "" if arguments.region else account.region  # which a command needs not name
    listing = look(account, regions, display)
    code = 1 if listing.problems else 0
    old, usd = words.superseded(listing.images, listing.behind), prices(listing.images, listing.behind)
    if arguments.json:
        for each in listing.images:
            put_json({**facts(each, listing.behind.get(each.id)), "superseded": each in old})
        return code
    for each in listing.images:
        put(line(each, listing.behind.get(each.id)), indent=2)
        if step := _next_step(each, old=each in old, usual=usual, settings=settings):
            put(f"  → {step}", indent=4)
    for text in half_way_lines(settings):
        display.say(text)
    if not listing.images:
        asked = ", ".join(region for region in regions if region not in listing.problems)
        display.say(
            f"There is no image made by cloudrender in {asked}: `cloudrender image build --family g4dn` makes one"
        )
        return code
    display.say(f"In all at most ${sum(usd.values()):.2f} a month")
    if old:
        saved = sum(usd[each.id] for each in old)
        where = f" --region {arguments.region}" if arguments.region else ""
        display.say(f"`cloudrender image delete --old{where}` deletes {len(old)} of them and saves ${saved:.2f} of it")
    return code


def regions_of(arguments: argparse.Namespace, settings: Settings, account: Account) -> tuple[str, ...]:
    """Return the regions to look into: those that the command line names, else all that are known."""
    return settings.regions if arguments.region else known_regions(account, settings)


def look(account: Account, regions: Collection[str], display: Display) -> Listing:
    """List the images there, and tell of regions that could not be asked. Raises `CloudrenderError` if none could."""
    listing = list_in(account, regions)
    for region, problem in listing.problems.items():
        display.say(f"Not looked into {region}: {problem.message}")
    return listing


def _next_step(image: MachineImage, *, old: bool, usual: str, settings: Settings) -> str:
    if image.job_id in BuildStore(settings.home).left():
        return "left half-way: `cloudrender clean-up` ends it"
    if image.job_id:
        if image.job_id in driven_builds(settings.home):
            return ""
        return "begun by another computer: if it is not being made there any more, `cloudrender clean-up` deletes it"
    if old or words.is_old(image, now=time.time()):
        where = "" if image.region == usual else f" --region {image.region}"
        return f"{'a newer one has taken its place' if old else 'old'}: `cloudrender image delete {image.id}{where}`"
    return ""


def line(image: MachineImage, behind: Behind | None) -> str:
    parts = [image.id, image.region, words.contents(image), words.state(image), words.age(image, now=time.time())]
    return "  ".join([*parts, words.disk(image, behind), *([words.protection(behind)] if behind else [])])


def facts(image: MachineImage, behind: Behind | None) -> dict[str, Any]:
    """Return what is known of an image, for programs."""
    return {**asdict(image), **(asdict(behind) if behind else {}), "monthly_usd": words.monthly_usd(image, behind)}


def put_json(facts: dict[str, Any]) -> None:
    print(json.dumps(facts, ensure_ascii=False), flush=True)


def prices(images: Iterable[MachineImage], behind: Mapping[str, Behind]) -> dict[str, float]:
    """Return USD a month of each, at most, by its id."""
    return {each.id: words.monthly_usd(each, behind.get(each.id)) for each in images}
