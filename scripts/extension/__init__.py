# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the Blender extension: one zip per platform, with the wheels it needs, by Blender's own tool."""
