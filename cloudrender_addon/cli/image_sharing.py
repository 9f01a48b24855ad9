# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image share`, and what else a key needs so that others, and spot machines, can open an image's disk."""

from __future__ import annotations

import argparse
import json

from ..backend.aws import image_sharing, machine_images
from ..backend.aws.disk_keys import find_key, spot_grants
from ..backend.aws.image_sharing import Behind
from ..backend.aws.session import Account
from ..backend.errors import UsageError
from ..backend.farms.factory import open_account
from ..backend.settings import Settings
from .display import Display


def share(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    add, remove = image_sharing.account_ids(arguments.account), image_sharing.account_ids(arguments.stop)
    if not (add or remove):
        raise UsageError("No account is named", hint="`cloudrender image share AMI ACCOUNT`, or `--stop ACCOUNT`")
    account = open_account(settings)
    image = machine_images.find_image(account, arguments.ami)
    behind = image_sharing.share(account, image, add=add, remove=remove)
    tell_shared(behind, arguments, display)
    if remove and behind.key and behind.key.own:
        display.say(f"Take {', '.join(remove)} out of the policy and the grants of its key {behind.key.arn}, too")
    return 0


def tell_shared(behind: Behind, arguments: argparse.Namespace, display: Display) -> None:
    """Say with whom an image is shared, and what the policy of its key needs for that."""
    accounts = [each for each in behind.accounts if each.isdigit()]  # others were added by hand
    statements = image_sharing.key_statements(behind.key, accounts) if behind.key and accounts else []
    if arguments.json:
        grants = spot_grants(behind.key, accounts) if behind.key and statements else []
        facts = {"event": "image_shared", "accounts": behind.accounts, "key_statements": statements, "grants": grants}
        print(json.dumps(facts), flush=True)
        return
    display.say(f"Shared with {', '.join(behind.accounts) or 'nobody'}")
    if behind.key and statements:
        display.say(f"They can open its disk once the policy of its key {behind.key.arn} has these statements, too:")
        print(json.dumps(statements, indent=2), flush=True)
        display.say("… and their spot machines after this:")
        print("\n".join(spot_grants(behind.key, accounts)), flush=True)


def tell_spot(arguments: argparse.Namespace, account: Account, display: Display) -> None:
    """Say what else it takes until spot machines begin with an image that has a key of the user's own."""
    if not arguments.kms_key or not (key := find_key(account, arguments.kms_key)).own:
        return
    display.say("Spot machines can open its disk once an administrator of the key has run this:")
    [command] = spot_grants(key, [key.account])
    if arguments.json:
        display.say(command)
    else:
        print(command, flush=True)  # on one line however wide the terminal is, to be pasted
