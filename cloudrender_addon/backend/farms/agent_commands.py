# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell commands that put the agent and the project on a machine and call the agent there.

The login shell may be any, fish and csh included: what it gets to see is one string in single quotes, which holds no
quote, backslash, exclamation mark or line end. The scripts in it are run by /bin/sh.
"""

from __future__ import annotations

import shlex

NO_ROOT = 75
"""Exit status of `PREPARE` when ROOT did not appear."""

PRESENT = b"present"
"""What `PREPARE` says when the project is there already."""

PREPARE = (
    # $1: how many fifths of a second to wait for ROOT; input: a tar of the agent; prints what `df` says.
    # sshd answers before the user data has made ROOT and handed it over.
    'n=0; until [ -w "$root" ] && [ -x "$root" ]; do '
    '[ "$n" -lt "$1" ] || exit 75; n=$((n+1)); echo waiting; sleep 0.2; done; cd "$root" || exit; '
    "if [ -d project ]; then echo present; exit; fi; "
    "rm -rf project.part && mkdir -p agent project.part && tar -xof - -C agent && df -Pk ."
)

UNPACK = 'cd "$root/project.part" && exec tar -xof -'
"""Input: a tar of the project."""

COMPLETE = 'cd "$root" && mv project.part project'
"""A command of its own: a tar whose input breaks off between two files is as content as one that has seen them all."""

START = (
    # $1: bytes of the plan; input: the plan. One that is there already is the one the agent was started with.
    'cd "$root" && if [ -e plan.json ]; then :; else cat > plan.json.part && '
    '[ "$(wc -c < plan.json.part)" -eq "$1" ] && mv plan.json.part plan.json; fi && '
    "cd agent && exec python3 agent.py start < /dev/null"
)

AGENT = 'cd "$root/agent" && exec python3 agent.py "$@" < /dev/null'

FETCH = 'exec cat "$root/frames/$1" < /dev/null'

_ROOT = 'root="${TMPDIR:-/var/tmp}/cloudrender"'


def remote(script: str, *arguments: str) -> str:
    """Return the command that runs a script with `arguments` as $1, $2, …, and ROOT as $root."""
    return " ".join(["/bin/sh -c", f"'{_ROOT}; {script}'", "cloudrender", *map(shlex.quote, arguments)])
