# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .blend uses, found by a background Blender of the user's own; imports nothing of the other rooms."""
