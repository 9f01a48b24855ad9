# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m cloudrender_addon`: the `cloudrender` command."""

from cloudrender_addon.cli.main import run

run()
