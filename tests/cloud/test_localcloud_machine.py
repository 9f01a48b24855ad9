# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in machine is real where it counts, ends when it must, and never reaches beyond itself."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import paramiko
import pytest

from tests.localcloud import small_disk
from tests.localcloud.cloud import Cloud
from tests.localcloud.renting import NVIDIA, Rented, new_key, rent, wait_until

# Forks twice and leaves its session: what a daemon does to be forgotten by whoever started it.
DAEMON = "(setsid sh -c 'echo $$ >\"$TMPDIR/daemon\"; exec sleep 600' </dev/null >/dev/null 2>&1 &)"


def daemon_of(rented: Rented) -> int:
    """Wait for the daemon and return its process id."""
    path = rented.machine.folder / "tmp" / "daemon"
    return int(wait_until(lambda: path.exists() and path.read_text().strip(), what="the daemon"))


def state_of(pid: int) -> str:
    """Return the process's state as ps writes it, "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def exists(pid: int) -> bool:
    """Tell whether a process is there; one that is dead and not yet reaped is not."""
    return state_of(pid) not in ("", "Z")


def frames_done(rented: Rented, count: int) -> None:
    """Write the agent's event log as if that many frames were finished."""
    rented.machine.event_log.parent.mkdir(parents=True, exist_ok=True)
    events = [{"event": "started", "version": 1}, *({"event": "frame", "frame": n} for n in range(count))]
    rented.machine.event_log.write_text("".join(json.dumps(event) + "\n" for event in events))


def end(rented: Rented) -> None:
    rented.cloud.client("ec2").terminate_instances(InstanceIds=[rented.machine.id])
    wait_until(lambda: rented.state == "terminated", what="the end")


def test_boots_with_user_data_and_its_own_host_key(cloud: Cloud) -> None:
    rented = rent(cloud, script='#!/bin/bash\necho "user data of $INSTANCE_ID, home ${HOME-none}" >"$TMPDIR/ran"\n')
    lines = rented.run('cat "$TMPDIR/ran"; echo "$HOME"; pwd; id -un; command -v shutdown').splitlines()
    folder = rented.machine.folder
    assert lines[0] == f"user data of {rented.machine.id}, home none"
    assert lines[1:3] == [str(folder / "home")] * 2
    assert lines[3] == cloud.env()["CLOUDRENDER_SSH_USER"]
    assert lines[4].endswith("tests/localcloud/shims/shutdown")
    end(rented)


def test_answers_ssh_soon_after_the_launch(cloud: Cloud) -> None:
    began = time.monotonic()
    rented = rent(cloud)
    rented.connect().close()
    assert time.monotonic() - began < 2.0  # 0.1 s on an idle computer
    end(rented)


def test_a_wrong_host_key_is_seen(cloud: Cloud) -> None:
    rented = rent(cloud)
    rented.host_key = new_key()[1]
    with pytest.raises(paramiko.BadHostKeyException):
        rented.connect()
    end(rented)


def test_a_group_lets_in_whom_its_rules_name(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName="door", Description="of the test")["GroupId"]

    def let_in(cidr: str, *, first_port: int = 1) -> None:
        ec2.authorize_security_group_ingress(
            GroupId=group, CidrIp=cidr, IpProtocol="tcp", FromPort=first_port, ToPort=65535
        )

    rented = rent(cloud, SecurityGroupIds=[group])
    with pytest.raises(AssertionError, match="SSH did not come true"):
        rented.connect(seconds=0.5)
    let_in("198.51.100.0/24")
    let_in("127.0.0.1/32", first_port=cloud.ssh_port + 1)
    with pytest.raises(AssertionError, match="SSH did not come true"):
        rented.connect(seconds=0.5)
    let_in("127.0.0.1/32", first_port=cloud.ssh_port)
    client = rented.connect()
    cloud.move_client("203.0.113.9")
    with pytest.raises(AssertionError, match="SSH did not come true"):
        rented.connect(seconds=0.5)
    wait_until(lambda: not client.get_transport().is_active(), what="the end of the old connection")
    cloud.move_client("198.51.100.7")
    assert rented.run("echo in") == "in\n"
    ec2.terminate_instances(InstanceIds=[rented.machine.id])
    wait_until(lambda: rented.state == "terminated", what="the end of the machine")
    ec2.delete_security_group(GroupId=group)


def test_sftp_and_stdin_work(cloud: Cloud) -> None:
    rented = rent(cloud)
    with rented.connect() as client:
        with client.open_sftp() as sftp, sftp.open("there", "w") as file:
            file.write("by sftp")
        stdin, output, _ = client.exec_command("cat there -")
        stdin.write(" and stdin")
        stdin.channel.shutdown_write()
        assert output.read() == b"by sftp and stdin"
    end(rented)


def test_a_power_cut_leaves_no_daemon(cloud: Cloud) -> None:
    rented = rent(cloud, script=f"#!/bin/sh\n{DAEMON}\n")
    pid = daemon_of(rented)
    assert exists(pid)
    end(rented)
    assert not exists(pid)
    assert rented.machine.processes() == []


def test_a_daemon_started_over_ssh_survives_the_connection_but_not_the_machine(cloud: Cloud) -> None:
    rented = rent(cloud)
    rented.run(DAEMON)
    pid = daemon_of(rented)
    assert exists(pid)
    end(rented)
    assert not exists(pid)


@pytest.mark.parametrize("command", ["shutdown -P now", "poweroff", "systemctl poweroff", "sudo -n shutdown -h now"])
def test_shutting_down_ends_the_instance(cloud: Cloud, command: str) -> None:
    rented = rent(cloud, script=f"#!/bin/sh\n{DAEMON}\n{command}\n")
    wait_until(lambda: rented.state == "terminated", what="the end")
    assert rented.description["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert rented.machine.reason == "Client.InstanceInitiatedShutdown"
    assert rented.machine.processes() == []


def test_the_ssh_user_needs_sudo_to_shut_down(cloud: Cloud) -> None:
    rented = rent(cloud)
    assert "Interactive authentication required" in rented.run("shutdown -P now")
    assert rented.state == "running"
    rented.run("sudo -n shutdown -P now")
    wait_until(lambda: rented.state == "terminated", what="the end")


def test_without_terminate_on_shutdown_the_instance_stays_as_stopped(cloud: Cloud) -> None:
    cloud.expect_leftovers = True
    rented = rent(cloud, script="#!/bin/sh\nshutdown now\n", InstanceInitiatedShutdownBehavior="stop")
    wait_until(lambda: rented.state == "stopped", what="the stop")
    assert any(rented.machine.id in line and "stopped" in line for line in cloud.leftovers())


def test_halt_stops_the_machine_but_not_the_bill(cloud: Cloud) -> None:
    cloud.expect_leftovers = True
    rented = rent(cloud, script="#!/bin/sh\nhalt\n")

    def frozen() -> bool:
        states = [state_of(pid) for pid in rented.machine.processes()]
        return sorted(states) == ["S", *"T" * (len(states) - 1)] and len(states) > 1  # the supervisor waits

    wait_until(frozen, what="the halt")
    assert rented.state == "running"


def test_a_reboot_brings_ssh_back_and_no_daemon(cloud: Cloud) -> None:
    rented = rent(cloud, script=f"#!/bin/sh\n{DAEMON}\n")
    pid = daemon_of(rented)
    rented.run("sudo reboot; sleep 60")
    wait_until(lambda: not exists(pid), what="the daemon's end")
    assert rented.run("echo back").strip() == "back"
    end(rented)


def test_the_seat_belt_holds_when_the_shims_are_passed_by(cloud: Cloud) -> None:
    """Ask only what does no harm where it is allowed: signal 0, a socket, a reboot() with wrong magic numbers."""
    probe = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def reboot():
    if libc.syscall({"x86_64": 169, "aarch64": 142}[os.uname().machine], 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "reboot")

def outcome(call):
    try:
        return call() or "allowed"
    except OSError as error:
        return error.errno

socket.socketpair()
denied = lambda: os.kill(1, 0), lambda: os.kill(-1, 0), lambda: socket.socket(socket.AF_UNIX).close(), reboot
granted = lambda: os.kill(os.getpid(), 0), lambda: socket.socket().close()
print(*map(outcome, denied + granted))
"""
    rented = rent(cloud, script=f"#!{sys.executable}\n{probe}")
    console = wait_until(lambda: "allowed" in rented.machine.console and rented.machine.console, what="the probe")
    assert "13 13 13 13 allowed allowed" in console
    end(rented)


def test_metadata_answers_only_with_a_token(cloud: Cloud) -> None:
    rented = rent(cloud, InstanceType="g4dn.xlarge", ImageId=NVIDIA)
    url = rented.run("echo $AWS_EC2_METADATA_SERVICE_ENDPOINT").strip()

    def ask(path: str, **headers: str) -> tuple[int, str]:
        method = "PUT" if path.endswith("token") else "GET"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{url}/latest/{path}", method=method, headers=named)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""

    assert ask("meta-data/instance-id")[0] == 401
    assert ask("api/token")[0] == 400
    token = {"X_aws_ec2_metadata_token": ask("api/token", X_aws_ec2_metadata_token_ttl_seconds="60")[1]}
    assert ask("meta-data/instance-id", **token) == (200, rented.machine.id)
    assert ask("meta-data/instance-life-cycle", **token) == (200, "spot")
    assert ask("meta-data/instance-type", **token) == (200, "g4dn.xlarge")
    assert ask("meta-data/placement/region", **token) == (200, "us-east-1")
    assert ask("user-data", **token)[1].startswith("Content-Type: multipart/mixed")
    assert ask("meta-data/spot/instance-action", **token)[0] == 404
    assert ask("meta-data/events/recommendations/rebalance", **token)[0] == 404
    cloud.recommend(rented.machine)
    recommended = ask("meta-data/events/recommendations/rebalance", **token)
    assert recommended[0] == 200 and list(json.loads(recommended[1])) == ["noticeTime"]
    assert ask("meta-data/spot/instance-action", **token)[0] == 404
    cloud.interrupt(rented.machine, notice=0.4)
    status, text = ask("meta-data/spot/instance-action", **token)
    assert status == 200
    assert json.loads(text)["action"] == "terminate"
    assert ask("meta-data/events/recommendations/rebalance", **token) == recommended
    wait_until(lambda: rented.state == "terminated", what="the interruption")
    assert rented.description["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_a_gpu_type_has_a_gpu_unless_told_otherwise(cloud: Cloud) -> None:
    def gpu_of_a_new(kind: str) -> str:
        rented = rent(cloud, InstanceType=kind, ImageId=NVIDIA)
        try:
            return rented.run("echo GPU $CLOUDRENDER_STANDIN_GPU").strip()
        finally:
            end(rented)

    assert gpu_of_a_new("g4dn.xlarge") == "GPU T4"
    assert gpu_of_a_new("c7i.large") == "GPU"
    cloud.gpu = False
    assert gpu_of_a_new("g4dn.xlarge") == "GPU"


def test_ssh_can_come_late(cloud: Cloud) -> None:
    cloud.ssh_delay = 0.6
    rented = rent(cloud)
    began = time.monotonic()
    rented.connect().close()
    assert time.monotonic() - began > 0.4
    end(rented)


def test_the_reclaim_after_frames_takes_the_power(cloud: Cloud) -> None:
    seen: list[object] = []
    cloud.on_frames(1, seen.append)
    cloud.on_frames(2, cloud.kill)
    rented = rent(cloud)
    with rented.connect() as client:
        _, output, _ = client.exec_command("sleep 600")
        frames_done(rented, 1)
        wait_until(lambda: seen == [rented.machine], what="the first frame to be seen")
        assert rented.state == "running"
        frames_done(rented, 2)
        assert output.channel.recv_exit_status() == -1  # the connection is gone, and with it the answer
    wait_until(lambda: rented.state == "terminated", what="the reclaim")
    assert rented.machine.reason == "Server.SpotInstanceTermination"
    assert rented.machine.frames == 2


def test_a_cut_breaks_connections_and_not_the_machine(cloud: Cloud) -> None:
    rented = rent(cloud)
    rented.run(DAEMON)
    pid = daemon_of(rented)
    with rented.connect() as client:
        _, output, _ = client.exec_command("sleep 600")
        rented.machine.cut_links()
        assert output.channel.recv_exit_status() == -1
    assert exists(pid)
    assert rented.run("echo again").strip() == "again"
    end(rented)


def test_a_hanging_machine_keeps_connections_open_and_says_nothing(cloud: Cloud) -> None:
    rented = rent(cloud)
    with rented.connect() as client:
        _, output, _ = client.exec_command("while :; do echo tick; sleep 0.02; done")
        assert output.readline() == "tick\n"
        rented.machine.hang()
        output.channel.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                output.channel.recv(4096)
        assert client.get_transport().is_active()
    assert rented.state == "running"
    end(rented)
    assert rented.machine.processes() == []


def test_a_disk_of_its_own_can_be_filled(cloud: Cloud) -> None:
    if not small_disk.available():
        pytest.skip("neither root nor user namespaces")
    cloud.disk_mb = 4
    rented = rent(cloud, script='#!/bin/sh\nmkdir "$TMPDIR/cloudrender"\n')
    frame = json.dumps({"event": "frame", "frame": 1})
    rented.run(f"echo '{frame}' >>\"$TMPDIR/cloudrender/events.jsonl\"")
    assert "4096" in rented.run('df -Pk "$TMPDIR"')
    assert rented.machine.frames == 1 and not any((rented.machine.folder / "tmp").iterdir())
    rented.machine.fill_disk()
    wait_until(lambda: "100%" in rented.run('df -Pk "$TMPDIR"'), what="the full disk")
    assert "No space left on device" in rented.run('cp /etc/passwd "$TMPDIR/more"')
    end(rented)
    assert rented.machine.frames == 1 and "standin" not in Path("/proc/self/mounts").read_text()


def test_one_frame_is_damaged_on_its_way_so_many_times(cloud: Cloud) -> None:
    """As the agent reads it to send it, and as `frame` 2 is read meanwhile, which stays as it is."""
    rented = rent(cloud)
    read = "import os, sys; os.write(1, os.pread(os.open(sys.argv[1], os.O_RDONLY), 3, 0))"

    def fetch(frame: int) -> str:
        name = f'"$TMPDIR/{frame}.png"'
        return rented.run(f"printf 'a\\0b' >{name}; python3 -c '{read}' {name}")

    rented.machine.damage_transfers(2)
    assert [fetch(1), fetch(2), fetch(1), fetch(1)] == ["a\1b", "a\0b", "a\1b", "a\0b"]
    end(rented)


def test_the_clock_of_a_machine_jumps_and_its_uptime_does_not(cloud: Cloud) -> None:
    rented = rent(cloud)
    ask = "python3 -c 'import time; print(time.time(), time.monotonic())'"
    rented.machine.jump_clock(-86400)
    wall, uptime = map(float, rented.run(ask).split())
    assert abs(wall - time.time() + 86400) < 30 and abs(uptime - time.monotonic()) < 30
    rented.machine.jump_clock(0)
    assert abs(float(rented.run(ask).split()[0]) - time.time()) < 30
    end(rented)


def test_a_killed_supervisor_leaves_nothing_behind() -> None:
    with Cloud() as cloud:
        rented = rent(cloud, script=f"#!/bin/sh\n{DAEMON}\n")
        pid = daemon_of(rented)
        supervisor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(supervisor, 9)
        wait_until(lambda: not exists(supervisor), what="the supervisor's end")
        assert any(rented.machine.id in line and "processes" in line for line in cloud.leftovers())
    assert not exists(pid)
