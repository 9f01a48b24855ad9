"""Commands and streams over a connection to a real sshd, and how they are cancelled."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import LinkError, MachineError
from cloudrender_addon.backend.ssh.connection import Answer, SshConnection
from tests.ssh.connection_kit import cancelled_when, run, stalls
from tests.ssh.sshd_helper import Sshd


def test_run_gives_status_output_and_complaints(connection: SshConnection) -> None:
    answer = run(connection, "cat; echo trouble >&2; exit 3", stdin="ümlaut\0".encode())
    assert answer == (3, "ümlaut\0".encode(), b"trouble\n")
    with pytest.raises(MachineError) as caught:
        answer.check("The test")
    assert not isinstance(caught.value, LinkError)
    assert "The test" in caught.value.message
    assert caught.value.details == ("trouble",)


def test_command_killed_by_a_signal_may_be_tried_again(connection: SshConnection) -> None:
    for command in ("kill -9 $$", "sh -c 'kill -9 $$'; exit $?"):
        with pytest.raises(LinkError):
            run(connection, command).check("It")


def test_much_input_little_output(connection: SshConnection) -> None:
    assert run(connection, "wc -c", stdin=bytes(9_000_001)).output.strip() == b"9000001"


def test_endless_complaints_stop_nothing(connection: SshConnection) -> None:
    answer = run(connection, "head -c 9000000 /dev/zero >&2; echo end >&2; echo done")
    assert answer.output == b"done\n"
    assert answer.complaints.endswith(b"\0end\n")
    assert len(answer.complaints) < 100_000


def test_endless_answer_is_refused(connection: SshConnection) -> None:
    with pytest.raises(MachineError):
        run(connection, "cat /dev/zero")
    assert run(connection, "echo still here").output == b"still here\n"


def test_command_that_ends_before_its_input(connection: SshConnection) -> None:
    def endless(send: Callable[[memoryview], None]) -> None:
        while True:
            send(memoryview(bytes(100_000)))

    answer = connection.write_stream(
        "head -c 1000000 >/dev/null; echo full >&2; exit 2", endless, silence_seconds=10, cancel=CancelToken()
    )
    assert (answer.status, answer.complaints) == (2, b"full\n")


def test_what_the_writer_raises_goes_through(connection: SshConnection) -> None:
    def broken(send: Callable[[memoryview], None]) -> None:
        send(memoryview(b"half"))
        raise FileNotFoundError("of this computer")

    with pytest.raises(FileNotFoundError):
        connection.write_stream("cat", broken, silence_seconds=10, cancel=CancelToken())
    assert run(connection, "echo still here").output == b"still here\n"


def test_streams_carry_every_byte_both_ways(connection: SshConnection, tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    there = tmp_path / "there"
    connection.write_stream(
        f"cat > '{there}'", lambda send: send(memoryview(data)), silence_seconds=10, cancel=CancelToken()
    ).check("It")
    assert there.read_bytes() == data
    back = connection.read_stream(f"cat '{there}'", task="It", silence_seconds=10, cancel=CancelToken())
    assert b"".join(back) == data


def test_lines(connection: SshConnection) -> None:
    lines = connection.stream_lines(
        "printf 'one\\n\\nthr'; sleep 0.1; printf 'ee\\nfour'", task="It", silence_seconds=10, cancel=CancelToken()
    )
    assert list(lines) == [b"one", b"", b"three"]


def test_stream_of_a_failing_command(connection: SshConnection) -> None:
    lines = connection.stream_lines(
        "echo one; echo why >&2; exit 4", task="Looking", silence_seconds=10, cancel=CancelToken()
    )
    assert next(lines) == b"one"
    with pytest.raises(MachineError, match="Looking") as caught:
        next(lines)
    assert caught.value.details == ("why",)


def test_line_without_end(connection: SshConnection) -> None:
    lines = connection.stream_lines("cat /dev/zero", task="It", silence_seconds=10, cancel=CancelToken())
    with pytest.raises(MachineError, match="does not end"):
        next(lines)


def test_abandoned_stream_leaves_the_connection_usable(connection: SshConnection) -> None:
    lines = connection.stream_lines("echo one; exec cat", task="It", silence_seconds=10, cancel=CancelToken())
    assert next(lines) == b"one"
    lines.close()
    assert run(connection, "echo two").output == b"two\n"


def test_commands_beside_an_open_stream(connection: SshConnection) -> None:
    lines = connection.stream_lines(
        "while echo tick; do sleep 0.01; done", task="It", silence_seconds=10, cancel=CancelToken()
    )
    assert [(next(lines), run(connection, f"echo {n}").output) for n in range(20)] == [
        (b"tick", b"%d\n" % n) for n in range(20)
    ]
    lines.close()


def test_cancel_of_a_silent_command_spares_the_connection(connection: SshConnection) -> None:
    started = time.monotonic()
    with cancelled_when(lambda: time.monotonic() - started > 0.2) as cancel:
        connection.run("exec sleep 60", silence_seconds=60, cancel=cancel)
    assert run(connection, "echo still here").output == b"still here\n"


def test_cancel_of_a_stream(connection: SshConnection) -> None:
    seen: list[bytes] = []
    with cancelled_when(lambda: seen) as cancel:
        for line in connection.stream_lines("echo one; exec sleep 60", task="It", silence_seconds=60, cancel=cancel):
            seen.append(line)


def test_cancel_while_nothing_takes_the_input(connection: SshConnection) -> None:
    sent: list[float] = []

    def endless(send: Callable[[memoryview], None]) -> None:
        while True:
            send(memoryview(bytes(30_000)))
            sent.append(time.monotonic())

    with cancelled_when(stalls(sent)) as cancel:
        connection.write_stream("exec sleep 60", endless, silence_seconds=60, cancel=cancel)


def test_cancel_while_the_machine_is_frozen(own_server: Sshd) -> None:
    connection = own_server.open()
    sent: list[float] = []

    def endless(send: Callable[[memoryview], None]) -> None:
        while True:
            send(memoryview(bytes(30_000)))
            sent.append(time.monotonic())
            if len(sent) == 10:
                own_server.freeze_sessions()

    with cancelled_when(stalls(sent)) as cancel:
        connection.write_stream("cat >/dev/null", endless, silence_seconds=60, cancel=cancel)
    connection.close()


def test_cancel_while_a_frozen_machine_should_start_a_command(own_server: Sshd) -> None:
    connection = own_server.open()
    own_server.freeze_sessions()
    started = time.monotonic()
    with cancelled_when(lambda: time.monotonic() - started > 0.2) as cancel:
        connection.run("true", silence_seconds=60, cancel=cancel)
    connection.close()


def test_a_full_disk_on_the_machine_is_called_that() -> None:
    with pytest.raises(MachineError, match="failed: the disk of the rented machine is full") as full:
        Answer(2, b"", b"tar: a.png: Cannot write: No space left on device\n").check("Unpacking the project")
    assert full.value.hint and full.value.details
    with pytest.raises(MachineError, match="exit status 2"):
        Answer(2, b"", b"tar: something else\n").check("Unpacking the project")
