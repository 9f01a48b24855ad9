# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault campaign: hundreds of real jobs, each through a random sequence of what may go wrong (`make campaign`)."""
