# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m cloudrender_addon`: the `cloudrender` command."""

from .cli.main import run

run()
