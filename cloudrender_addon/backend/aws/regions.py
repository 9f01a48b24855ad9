# SPDX-License-Identifier: GPL-3.0-or-later
"""The regions every account may use without asking, by code, with where they are.

Source: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html, "not required" to opt in.
"""

from __future__ import annotations

REGIONS: dict[str, str] = {
    "us-east-1": "North Virginia",
    "us-east-2": "Ohio",
    "us-west-1": "North California",
    "us-west-2": "Oregon",
    "ca-central-1": "Canada",
    "sa-east-1": "São Paulo",
    "eu-central-1": "Frankfurt",
    "eu-west-1": "Ireland",
    "eu-west-2": "London",
    "eu-west-3": "Paris",
    "eu-north-1": "Stockholm",
    "ap-south-1": "Mumbai",
    "ap-northeast-1": "Tokyo",
    "ap-northeast-2": "Seoul",
    "ap-northeast-3": "Osaka",
    "ap-southeast-1": "Singapore",
    "ap-southeast-2": "Sydney",
}
