# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is told at its first boot: the SSH host key to show, and the script to run."""

from __future__ import annotations

import textwrap

from ..errors import CloudError

LIMIT_BYTES = 16 * 1024
"""Before Base64: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html"""

# Always the same, because EC2 takes a repeated launch for the same one only if every byte is the same.
_BOUNDARY = "==cloudrender-part=="


def user_data(*, host_private: str, host_public: str, script: str) -> str:
    """Compose cloud-init's multipart user data: the host key (OpenSSH private text, public line), then the script.

    The private key can be read by anybody on the machine, so it must belong to this machine alone.
    Raises `CloudError` for a script that EC2 or cloud-init would not take.
    """
    config = (
        "#cloud-config\n"
        "ssh_deletekeys: true\n"
        "ssh_keys:\n"
        "  ed25519_private: |\n" + textwrap.indent(host_private.strip() + "\n", "    ") + "  ed25519_public: "
        f"{host_public.strip()}\n"
    )
    text = (
        f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"\n'
        "MIME-Version: 1.0\n\n"
        + _part("cloud-config", "host-key.yaml", config)
        + _part("x-shellscript", "cloudrender.sh", script)
        + f"--{_BOUNDARY}--\n"
    )
    # cloud-init mangles other characters than ASCII in a part (its email.message_from_string decodes them twice).
    if not text.isascii() or len(text) > LIMIT_BYTES:
        raise CloudError(
            f"The machine's boot script must be plain ASCII of at most {LIMIT_BYTES} bytes, and has {len(text)}",
            hint="This is a fault in Cloudrender: please report it",
        )
    return text


def _part(kind: str, name: str, content: str) -> str:
    return (
        f"--{_BOUNDARY}\n"
        f'Content-Type: text/{kind}; charset="us-ascii"\n'
        "MIME-Version: 1.0\n"
        "Content-Transfer-Encoding: 7bit\n"
        f'Content-Disposition: attachment; filename="{name}"\n\n'
        f"{content.rstrip()}\n\n"
    )
