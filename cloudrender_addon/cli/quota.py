# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender quota`: how many vCPUs the account may rent of the chosen machines, and asking AWS for more."""

from __future__ import annotations

import argparse
import dataclasses
import json

from ..backend.aws.session import Account
from ..backend.errors import CapacityError, UsageError
from ..backend.farms.factory import open_account
from ..backend.farms.quota import QuotaState, ask_for, quotas_of, worth_asking
from ..backend.settings import Settings
from .ask import agreed
from .display import Display, put


def quota(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """List the quotas, and ask for more if told to; return 1 if one is too small and nothing was asked for."""
    account = open_account(settings)
    states = tuple(quotas_of(account, settings))
    if not states:
        raise CapacityError(
            f"{settings.instance_type} is not sold that way in {account.region}",
            hint="Use another Type (-c), or another Purchase (--purchase)",
        )
    for state in states:
        if arguments.json:
            print(json.dumps(_row(state), ensure_ascii=False), flush=True)
        else:
            for line in _lines(state, region=account.region):
                put(line)
    if arguments.request is None:
        return 1 if any(state.too_small for state in states) else 0
    return _request(arguments, account, states, display)


def _request(arguments: argparse.Namespace, account: Account, states: tuple[QuotaState, ...], display: Display) -> int:
    wanted = arguments.request or None
    small = [state for state in states if state.too_small or (wanted and wanted > (state.value or 0))]
    if not small:
        if wanted:
            raise UsageError(f"The quota is {wanted} or more already", hint="Give a larger number")
        display.say("That is enough for such a machine. To ask for more all the same: --request VCPUS")
        return 0
    for state in small:
        named = f"“{state.quota.name}”"
        vcpus = wanted or worth_asking(state.needed)
        fresh = state.asked is None
        if fresh and not arguments.yes and not agreed(f"Ask AWS for {vcpus} vCPUs of {named}?"):
            display.say("Nothing was asked for")
            return 1
        asked = ask_for(account, state, vcpus=vcpus)
        verb = "AWS was asked" if fresh else "AWS has been asked already"
        display.say(f"{verb} for {asked.vcpus} vCPUs of {named}: {asked.status}")
    display.say("It answers by e-mail, within hours or days; `cloudrender quota` shows how it stands")
    return 0


def _lines(state: QuotaState, *, region: str) -> list[str]:
    code = f" ({state.quota.code})" if state.quota.code else ""
    types = " or ".join(state.types)
    value = "not known" if state.value is None else f"{state.value} vCPUs"
    used = f", {state.in_use} in use" if state.in_use is not None else ""
    lines = [f"“{state.quota.name}”{code} in {region}: {value}{used}; {types} needs {state.needed}"]
    if state.asked:
        lines.append(
            f"  → AWS was asked for {state.asked.vcpus} and has not answered yet ({state.asked.status}): {state.url}"
        )
    elif state.value is None:
        lines.append(f"  → See that it is at least {state.needed} at {state.url}")
    elif state.too_small:
        ask = "`cloudrender quota --request` asks AWS for more, by hand: " if state.quota.code else "Ask for more at "
        lines.append(f"  → {ask}{state.url}")
    return lines


def _row(state: QuotaState) -> dict[str, object]:
    return {**dataclasses.asdict(state.quota), **{k: v for k, v in dataclasses.asdict(state).items() if k != "quota"}}
