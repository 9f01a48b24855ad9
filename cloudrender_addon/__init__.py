# SPDX-License-Identifier: GPL-3.0-or-later
"""Render in the cloud: EC2 spot machines in the user's own AWS account, with nothing left running."""

__version__ = "0.1.0"
