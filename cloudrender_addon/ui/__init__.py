# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that imports bpy: the face of Cloudrender in Blender."""
