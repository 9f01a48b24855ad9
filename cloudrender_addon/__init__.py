# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloudrender: render Blender files on EC2 spot machines in the user's own AWS account."""

__version__ = "0.1.0"


def register() -> None:
    """Add the extension to Blender."""
    from . import ui  # noqa: PLC0415 - the command and the backend work without Blender

    ui.register()


def unregister() -> None:
    """Remove the extension from Blender."""
    from . import ui  # noqa: PLC0415 - see register

    ui.unregister()
