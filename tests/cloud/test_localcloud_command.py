# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.localcloud run` tells the truth by its exit code, and leaves no process whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.processes import marked
from tests.localcloud.rehearsal import missing_blender
from tests.localcloud.renting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]

# What the commands below share: launch one machine whose user data does `script`; `wait(text)` for its event log.
CLIENT = """
import boto3, pathlib, sys, time
from tests.localcloud.renting import UBUNTU
ec2 = boto3.client("ec2")

def launch(script):
    return ec2.run_instances(
        ImageId=UBUNTU, InstanceType="t3.micro", MinCount=1, MaxCount=1, UserData="#!/bin/sh\\n" + script,
        InstanceInitiatedShutdownBehavior="terminate", InstanceMarketOptions={"MarketType": "spot"},
    )["Instances"][0]["InstanceId"]

def wait_for(state):
    for _ in range(1000):
        found = ec2.describe_instances()["Reservations"][0]["Instances"][0]
        if found["State"]["Name"] == state:
            return found
        time.sleep(0.02)
    sys.exit(f"never {state}")
"""
FRAMES = """
mkdir -p "$TMPDIR/cloudrender"
for n in 1 2 3; do echo '{"event": "frame"}'; done >"$TMPDIR/cloudrender/events.jsonl"
"""


def standin(*options: str, client: str) -> list[str]:
    code = CLIENT + textwrap.dedent(client)
    return [sys.executable, "-m", "tests.localcloud", "run", *options, "--", sys.executable, "-c", code]


def run(*options: str, client: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        standin(*options, client=client), cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Collect processes that are to be gone when the test is over."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_command_that_ends_its_machine_passes_its_code_on() -> None:
    done = run(client='launch("shutdown now"); wait_for("terminated"); sys.exit(7)')
    assert done.returncode == 7
    assert "ended by Client.InstanceInitiatedShutdown" in done.stderr
    assert "left in the account: nothing" in done.stderr


def test_a_machine_left_behind_is_named_and_fails_the_run() -> None:
    done = run(client='print(launch(""))')
    assert done.returncode == 1
    ident = done.stdout.strip()
    assert f"LEFT: us-east-1 instance {ident} (" in done.stderr
    assert not marked(variable=f"CLOUDRENDER_STANDIN_MACHINE={ident}", argument=f"{ident}/sshd_config")


def test_the_commands_environment_holds_nothing_of_the_callers_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-users-own")
    monkeypatch.setenv("CLOUDRENDER_INSTANCE_TYPE", "p5.48xlarge")
    done = run(client='import os; print(os.environ.get("AWS_PROFILE"), os.environ.get("CLOUDRENDER_INSTANCE_TYPE"))')
    assert done.stdout.strip() == "None None"


def test_faults_come_from_the_command_line() -> None:
    done = run("--fault", "kill=3", client=f"launch({FRAMES!r}); print(wait_for('terminated')['StateReason']['Code'])")
    assert done.stdout.strip() == "Server.SpotInstanceTermination"
    assert "3 frames" in done.stderr
    assert done.returncode == 0


def test_an_unknown_fault_is_a_usage_error() -> None:
    done = run("--fault", "earthquake", client="")
    assert done.returncode == 2
    assert "there is no fault 'earthquake'" in done.stderr


@pytest.mark.parametrize(("command", "code"), [("nonexistent", 127), ("/", 126)])
def test_a_command_that_cannot_be_run_is_one_line(command: str, code: int) -> None:
    words = [sys.executable, "-m", "tests.localcloud", "run", "--", command]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code and "Traceback" not in done.stderr
    assert f"stand-in: {command} cannot be run: " in done.stderr and "left in the account: nothing" in done.stderr


@pytest.mark.parametrize("name", ["tiny-4.2", "tiny-5.0"])
def test_a_rehearsal_without_its_blender_says_so_before_anything_is_rented(tmp_path: Path, name: str) -> None:
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    blend = REPOSITORY / "tests" / "data" / f"{name}.blend"
    command = [sys.executable, "-m", "tests.localcloud", "run", "--", "cloudrender", blend, "-f", "1", "-o", tmp_path]
    ran = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, timeout=60, check=False)
    series = name.partition("-")[2]
    assert ran.returncode == 1 and ran.stdout == ""
    assert ran.stderr == (
        f"stand-in: Blender {series} for {blend.name} is not here yet: `make blenders` fetches 4.2, 4.5, 5.0\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cloudrender", "TINY", "-f", "1"], ""),
        (["cloudrender", "TINY", "--blender", "4.2.23"], ""),
        (["cloudrender", "TINY", "--blender", "4.2.9"], "Blender 4.2.9 for tiny-4.2.blend is not here yet"),
        (["/bin/cloudrender", "TINY", "--blender", "4.4"], "there is no Blender 4.4 to rehearse tiny-4.2.blend with"),
        (["cloudrender", "--help"], ""),
        (["cloudrender", "--nonsense"], ""),
        (["cloudrender", "check-snapshot", "TINY"], ""),
        (["cloudrender", "nothing.blend"], ""),
        (["true", "TINY", "--blender", "4.4"], ""),
        (["cloudrender", "image", "build", "--family", "g5", "--blender", "4.2"], ""),
        (["cloudrender", "image", "build", "--family", "g5", "--blender", "4.2", "4.5"], "Blender 4.5 for an image is"),
        (["cloudrender", "image", "build", "--family", "g5"], "Blender 5.0 for an image is not here yet"),
        (["cloudrender", "image", "list"], ""),
    ],
)
def test_only_what_cannot_come_to_anything_is_refused(words: list[str], said: str) -> None:
    tiny = str(REPOSITORY / "tests" / "data" / "tiny-4.2.blend")
    command = [tiny if word == "TINY" else word for word in words]
    found = missing_blender(command, installed=("4.2.23",))
    assert found.startswith(said) and bool(found) is bool(said)


def test_the_client_can_be_killed_and_another_one_take_over() -> None:
    script = "import boto3; e = boto3.client('ec2'); i = e.describe_instances()['Reservations'][0]['Instances'][0]"
    script += "; e.terminate_instances(InstanceIds=[i['InstanceId']])"
    script += "; e.get_waiter('instance_terminated').wait(WaiterConfig={'Delay': 1}); print('taken over')"
    done = run(
        *("--kill-client-after", "2", "--then", f'"{sys.executable}" -c "{script}"'),
        client=f"launch({FRAMES!r}); time.sleep(60); print('not killed')",
    )
    assert done.stdout.strip() == "taken over"
    assert done.returncode == 0


def test_ctrl_c_is_the_commands_and_the_standin_waits_for_it(running: list[subprocess.Popen[str]]) -> None:
    client = """
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("cleaned up", flush=True)
        sys.exit(130)
    """
    process = subprocess.Popen(
        standin(client=client),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    running.append(process)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    output, errors = process.communicate(timeout=20)
    assert output == "cleaned up\n"
    assert process.returncode == 130
    assert "left in the account: nothing" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_are_passed_on(running: list[subprocess.Popen[str]], number: signal.Signals) -> None:
    client = f"""
    import signal
    signal.signal({int(number)}, lambda *_: sys.exit(5))
    print("ready", flush=True)
    time.sleep(60)
    """
    process = subprocess.Popen(standin(client=client), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    running.append(process)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(20) == 5


def test_killing_the_standin_itself_leaves_no_process(running: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    client = """
    print(launch("(setsid sleep 600 </dev/null >/dev/null 2>&1 &)"), flush=True)
    sys.stdin.read()
    """
    process = subprocess.Popen(
        standin(client=client),
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    running.append(process)
    ident = process.stdout.readline().strip()

    def mine() -> set[int]:
        return marked(variable=f"CLOUDRENDER_STANDIN_MACHINE={ident}", argument=f"{ident}/sshd_config")

    wait_until(lambda: len(mine()) >= 3, what="supervisor, sshd and daemon")
    process.kill()
    wait_until(lambda: not mine(), what="the end of every process")
    wait_until(lambda: not list(tmp_path.glob(f"*/{ident}")), what="the end of the machine's folder")
