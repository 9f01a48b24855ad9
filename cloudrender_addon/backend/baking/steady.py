# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a recipe done however often the connection breaks: connect again, and run again the script that was cut off.

Every script may be run again, and two never run at once: the second waits until the tool that the first has in hand has
ended (instance/bake.sh). What ends it is a machine that is gone, a failure of the recipe's own, or a connection that
keeps breaking with nothing new heard over it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..cancel import CancelToken
from ..clock import now
from ..errors import LinkError, MachineError, MachineGoneError
from ..farms.base import Farm, Machine
from ..farms.reconnect import connect_again
from .recipe import CLEAN, Recipe, run_script
from .said import Baked, Said

MAX_FRUITLESS_LINKS = 20
"""How many links in a row may break over which a recipe has said nothing new."""


class RunScript(Protocol):
    """What runs one script over one connection: `recipe.run_script`."""

    def __call__(
        self, recipe: Recipe, script: str, *, machine: Machine, key_file: Path, said: Said, cancel: CancelToken
    ) -> None: ...


def run_recipe(
    recipe: Recipe,
    *,
    machine: Machine,
    farm: Farm,
    key_file: Path,
    say: Callable[[str], None],
    cancel: CancelToken,
    run: RunScript = run_script,
) -> Baked:
    """Run all scripts of the recipe, each to its end, and return what they say they did.

    Raises `MachineGoneError`, `MachineError` with the recipe's own cause (`GpuError` where the driver is it),
    `HostKeyError`, `CloudError`, `Cancelled`.
    """
    said = Said(say)
    for script in recipe.scripts:
        fruitless = heard = 0
        while True:
            try:
                run(recipe, script, machine=machine, key_file=key_file, said=said, cancel=cancel)
                break
            except LinkError as lost:
                if said.finished and script != CLEAN:  # its last word, but for the exit status
                    break
                fruitless = 0 if said.progress > heard else fruitless + 1
                heard = said.progress
                if fruitless >= MAX_FRUITLESS_LINKS:
                    raise MachineError(
                        "The connection to the machine keeps breaking",
                        hint="Try again from another network",
                        details=(lost.message,),
                    ) from lost
                say(f"{lost.message}; connecting again")
            try:
                machine = _connect_again(machine, farm=farm, say=say, cancel=cancel)
            except MachineGoneError as silent:
                if script == CLEAN and _locked_out(silent):
                    break
                raise
    return said.result(recipe.kind)


def _connect_again(machine: Machine, *, farm: Farm, say: Callable[[str], None], cancel: CancelToken) -> Machine:
    def offline() -> None:
        if machine.end is not None and now() > machine.end:
            raise MachineGoneError("This computer was offline for longer than the machine lives")
        say("This computer seems to be offline; the waiting goes on")

    machine, link = connect_again(farm, machine, cancel=cancel, offline=offline)
    link.close()
    return machine


def _locked_out(silent: MachineGoneError) -> bool:
    """Tell whether a machine that runs answers, but lets us in no more: the keys are what is cleaned last."""
    return isinstance(silent.__cause__, LinkError) and silent.__cause__.refused
