"""The link to an agent: it is brought, started, told to go on and to end."""

import dataclasses
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.assets.project import scan_project
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, LinkError, MachineError
from cloudrender_addon.backend.farms import agent_commands
from cloudrender_addon.backend.farms.agent_link import open_link
from cloudrender_addon.backend.farms.link import RenderPlan
from tests.ssh.link_rig import Rig, push, tree
from tests.ssh.sshd_helper import until
from tests.unit.bundles import make

PLAN = RenderPlan(
    job_id="j1",
    blend="scene ü.blend",
    frames=(1, 2, 3),
    blender="4.2",
    mirror="https://example.org/",
    gpu=False,
    autoexec=False,
    move_seconds=None,
)


@pytest.mark.parametrize("name", ["BOOT", "START", "AGENT", "TALK"])
def test_any_login_shell_passes_the_script_on_unchanged(name: str) -> None:
    script = getattr(agent_commands, name)
    assert not set(script) & set("'\\!\n")
    assert agent_commands.remote(script).count("'") == 2


def test_start_up_does_not_wait_for_paramiko() -> None:
    program = "import sys, cloudrender_addon.backend.farms.agent_link; sys.exit('paramiko' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_waits_for_the_user_data(rig: Rig, tmp_path: Path) -> None:
    def boot() -> None:
        until(lambda: len(rig.server.sessions()) >= 2, what="the link to wait")
        rig.booted()

    thread = threading.Thread(target=boot)
    thread.start()
    push(rig.link(), make(tmp_path / "project", {"a": b"x"}))
    thread.join()
    assert tree(rig.root / "project") == {"a": b"x"}


def test_machine_without_user_data(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="did not set itself up") as caught:
        push(rig.link(setup_seconds=0.4), make(tmp_path / "project", {"a": b"x"}))
    assert "cloud-init" in caught.value.hint
    assert not isinstance(caught.value, LinkError)


def test_cancel_while_the_machine_sets_itself_up(rig: Rig, tmp_path: Path) -> None:
    cancel = CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        push(rig.link(), make(tmp_path / "p", {"a": b"x"}), cancel=cancel)
    timer.join()


def test_start_brings_the_plan_once(rig: Rig) -> None:
    link = rig.with_agent()
    link.start(PLAN)
    plan = json.loads((rig.root / "plan.json").read_text())
    assert plan == {**dataclasses.asdict(PLAN), "frames": [1, 2, 3], "addons": []}
    link.start(dataclasses.replace(PLAN, frames=(3,)))
    assert json.loads((rig.root / "plan.json").read_text()) == plan
    assert rig.calls() == ["start", "start"]


@pytest.mark.parametrize(
    ("said", "uptime"),
    [
        (b'{"uptime": 12.5}', 12.5),
        (b"", None),
        (b"[1]", None),
        (b'{"uptime": NaN}', None),
        (b'{"uptime": -1}', None),
        (b'{"uptime": 1' + b"0" * 400 + b"}", None),
        (b'{"uptime": "x"}', None),
        (b"[" * 100_000, None),
    ],
)
def test_start_tells_the_machines_uptime(rig: Rig, said: bytes, uptime: float | None) -> None:
    assert rig.with_agent(start=said).start(PLAN) == uptime


def test_half_a_plan_starts_nothing(rig: Rig) -> None:
    link = rig.with_agent()
    with pytest.raises(MachineError):
        link._run(agent_commands.START, "100", task="Starting", stdin=b"{")
    assert not (rig.root / "plan.json").exists()
    assert not (rig.root / "agent/called").exists()
    link.start(PLAN)
    assert rig.calls() == ["start"]


def test_large_plan(rig: Rig) -> None:
    link = rig.with_agent()
    link.start(dataclasses.replace(PLAN, frames=tuple(range(500_000))))
    assert len(json.loads((rig.root / "plan.json").read_text())["frames"]) == 500_000


def test_agent_that_cannot_start_says_why(rig: Rig) -> None:
    with pytest.raises(MachineError) as caught:
        rig.with_agent(end=b"fail").start(PLAN)
    assert caught.value.details == ("no reason",)


def test_finish_leaves_word(rig: Rig) -> None:
    rig.with_agent().finish()
    assert (rig.root / "collected").exists()


def test_keeping_the_machine(rig: Rig) -> None:
    rig.with_agent().keep(1800)
    assert rig.calls()[-1] == "keep 1800"


def test_another_job_begins_on_a_machine_that_was_kept(rig: Rig) -> None:
    link = rig.with_agent()
    link.begin("20260101-000000-abcd")
    link.extend(7200, lease_seconds=1800)
    assert rig.calls()[-2:] == ["begin 20260101-000000-abcd", "extend 7200 1800"]


def test_a_machine_that_refuses_another_job_says_why(rig: Rig) -> None:
    with pytest.raises(MachineError) as refused:
        rig.with_agent(end=b"fail").begin("j")
    assert refused.value.details == ("no reason",)


def test_finish_on_a_machine_that_is_going_down(rig: Rig) -> None:
    link = rig.with_agent()
    rig.server.kill_sessions()
    link.finish()
    with pytest.raises(LinkError):
        link.start(PLAN)


def test_calls_without_a_token_of_their_own_hear_the_links(rig: Rig) -> None:
    cancel = CancelToken()
    rig.booted()
    link = rig.link(cancel=cancel, end=b"hang")
    push(link, Bundle(root=rig.root, files=()))
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        link.start(PLAN)
    timer.join()


def test_open_link_brings_the_real_agent(rig: Rig, tmp_path: Path) -> None:
    rig.booted()
    link = open_link(
        address="127.0.0.1",
        port=rig.server.port,
        user=rig.server.user,
        key_file=rig.server.key.path,
        host_key=rig.server.host_key.public,
        cancel=CancelToken(),
        timeout=10,
    )
    project = tmp_path / "project"
    make(project, {"scene.blend": b"x"})
    push(link, scan_project(project, outputs=[project / "out"], blend=project / "scene.blend"))
    assert link.snapshot() == []
    link.finish()
    assert (rig.root / "collected").exists()
    link.close()
