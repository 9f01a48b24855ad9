# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong usage in two lines, cause and remedy, where argparse would print its whole usage."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from ..backend.errors import UsageError


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError`, with what was probably meant, and never ends the process but for --help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False, exit_on_error=False)

    def parse_all(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all of the words. Raises `UsageError`."""
        try:
            namespace, unknown = self.parse_known_args(words)
        except argparse.ArgumentError as error:
            raise self._explained(error) from error
        except UsageError as error:  # what is missing may be there, but misspelt
            known = {name for each in self._all() for name in each.option_strings}
            flags = (word for word in words if word.startswith("--") and word != "--")
            if misspelt := next((flag for flag in flags if flag.partition("=")[0] not in known), None):
                raise self._unknown(misspelt) from error
            raise
        if unknown:
            raise self._unknown(unknown[0])
        return namespace

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would have printed: arguments that are missing."""
        missing = message.partition("required: ")[2].split(", ")[0]
        if not missing:
            raise UsageError(message[:1].upper() + message[1:], hint=self._help())
        action = next((each for each in self._actions if missing in (each.metavar, *each.option_strings)), None)
        if isinstance(action, argparse._SubParsersAction):
            raise UsageError(f"`{self.prog}` alone does nothing", hint=f"Write one of these after it: {missing}")
        raise UsageError(f"{missing} is missing", hint=self._meaning(action))

    def _explained(self, error: argparse.ArgumentError) -> UsageError:
        """Say an error of argparse in words of this program's."""
        text = error.message
        if error.argument_name is None:  # what newer versions of Python raise where older ones call `error`
            try:
                self.error(text)
            except UsageError as explained:
                return explained
        name = error.argument_name.split("/")[0]
        action = next((each for each in self._all() if name in (each.metavar, *each.option_strings)), None)
        if text.startswith("expected "):
            return UsageError(f"A value is missing after {name}", hint=self._meaning(action))
        if other := re.match(r"not allowed with argument (.+)", text):
            return UsageError(f"{name} and {other[1]} exclude each other", hint="Leave one of them out")
        if value := re.match(r"ignored explicit argument (.+)", text):
            return UsageError(f"{name} takes no value, and {value[1]} stands there", hint=self._meaning(action))
        if choice := re.match(r"invalid choice: '(.*?)'", text):
            names = [str(name) for name in action.choices or ()] if action else []
            hint = f"{_near(choice[1], {name: name for name in names})}these are known: {', '.join(names)}"
            return UsageError(f"`{self.prog}` knows no {choice[1]!r}", hint=hint[:1].upper() + hint[1:])
        return UsageError(f"{name}: {text}", hint=self._meaning(action))

    def _unknown(self, word: str) -> UsageError:
        flag = word.partition("=")[0]
        if not flag.startswith("-") or flag == "-":
            quotes = 'Put a name with spaces in quotes ("my file")'
            return UsageError(f"{word!r} is one word too many", hint=f"{quotes}; {self._help()}")
        flags = [each for each in self._all() if each.option_strings]
        known = {name: name for each in flags for name in each.option_strings}
        # Who writes --frame means -f.
        known |= {name: each.option_strings[0] for each in flags if (name := f"--{each.dest}") not in known}
        return UsageError(f"There is no flag {flag}", hint=_near(flag, known) + self._help())

    def _meaning(self, action: argparse.Action | None) -> str:
        """Say how an argument is written and what it means."""
        if action is None or not action.help:
            return self._help()
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        written = " ".join(filter(None, (*(action.option_strings[:1] or (self.prog,)), metavar)))
        return f"Write {written}: {action.help}"

    def _help(self) -> str:
        return f"`{self.prog} --help` tells what there is"

    def _all(self) -> Iterator[argparse.Action]:
        """Yield what this parser knows, and what the commands below it do."""
        for action in self._actions:
            yield action
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    yield from below._all()


def _near(word: str, known: Mapping[str, str]) -> str:
    """Return what was perhaps meant by a word: what those that it is like stand for."""
    # A flag of another command may be the very word.
    near = difflib.get_close_matches(word, [name for name in known if known[name] != word], n=2, cutoff=0.7)
    return f"Perhaps {' or '.join(dict.fromkeys(known[name] for name in near))}; " if near else ""
