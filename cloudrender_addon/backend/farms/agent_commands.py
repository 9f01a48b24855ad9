# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell commands that put the agent and the project on a machine and call the agent there.

The login shell may be any, fish and csh included: what it gets to see is one string in single quotes, which holds no
quote, backslash, exclamation mark or line end. The scripts in it are run by /bin/sh.
"""

from __future__ import annotations

import shlex

NO_ROOT = 75
"""Exit status of `BOOT` when ROOT did not appear."""

WAITING = b"waiting"
"""The line that `BOOT` prints while it waits for ROOT."""

BOOT = (
    # $1: how many fifths of a second to wait for ROOT; $2: length of the program that the input begins with.
    # sshd answers before the user data has made ROOT and handed it over.
    'n=0; until [ -w "$root" ] && [ -x "$root" ]; do '
    '[ "$n" -lt "$1" ] || exit 75; n=$((n+1)); echo waiting; sleep 0.2; done; cd "$root" && shift && '
    'exec python3 -c "import sys; exec(sys.stdin.buffer.read(int(sys.argv[1])))" "$@"'
)
"""Brings the agent: input is `instance/bootstrap.py`, the agent's files, and what the agent's command, $3 on, reads."""

START = (
    # $1: bytes of the plan; input: the plan. One that is there already is the one the agent was started with.
    'cd "$root" && if [ -e plan.json ]; then :; else cat > plan.json.part && '
    '[ "$(wc -c < plan.json.part)" -eq "$1" ] && mv plan.json.part plan.json; fi && '
    "cd agent && exec python3 agent.py start < /dev/null"
)

TALK = 'cd "$root/agent" && exec python3 agent.py "$@"'
"""The agent, with input."""

AGENT = 'cd "$root/agent" && exec python3 agent.py "$@" < /dev/null'

_ROOT = 'root="${TMPDIR:-/var/tmp}/cloudrender"'


def remote(script: str, *arguments: str) -> str:
    """Return the command that runs a script with `arguments` as $1, $2, …, and ROOT as $root."""
    return " ".join(["/bin/sh -c", f"'{_ROOT}; {script}'", "cloudrender", *map(shlex.quote, arguments)])
