# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in cloud: the other side of the cloud, for real, on this computer. See docs/STANDIN.md."""
