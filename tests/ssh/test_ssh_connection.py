"""Connections to a real sshd: commands, streams, and all the ways the other side can fail."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, HostKeyError, LinkError, MachineError, RecordError
from cloudrender_addon.backend.ssh.connection import Answer, SshConnection
from cloudrender_addon.backend.ssh.keys import create_key
from tests.ssh.sshd_helper import Sshd, sshd, until

HEARD_SECONDS = 0.3
SLACK_SECONDS = 0.3
"""For a busy computer; what is promised is `HEARD_SECONDS`."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Sshd]:
    """One that may be frozen or killed."""
    with sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def connection(server: Sshd) -> Iterator[SshConnection]:
    opened = server.open()
    yield opened
    opened.close()


@contextmanager
def cancelled_when(condition: Callable[[], object]) -> Iterator[CancelToken]:
    """Give a token that is cancelled once `condition` holds; the body has to end with `Cancelled` soon after."""
    cancel = CancelToken()
    cancelled_at: list[float] = []

    def watch() -> None:
        until(condition, what="the moment to cancel")
        cancelled_at.append(time.monotonic())
        cancel.cancel()

    thread = threading.Thread(target=watch)
    thread.start()
    with pytest.raises(Cancelled):
        yield cancel
    ended_at = time.monotonic()
    thread.join()
    assert ended_at - cancelled_at[0] < HEARD_SECONDS + SLACK_SECONDS


def stalls(values: list[float]) -> Callable[[], bool]:
    """Tell whether something was written, and nothing more for a while: every buffer on the way is full."""
    return lambda: bool(values) and time.monotonic() - values[-1] > 0.3


# -- opening ---------------------------------------------------------------------------------------------


def test_fast_cipher_long_keys_and_an_attentive_socket(connection: SshConnection) -> None:
    transport = connection._transport
    assert transport.local_cipher == transport.remote_cipher == "aes128-gcm@openssh.com"
    assert transport.packetizer.REKEY_BYTES > 10**12
    sock = transport.sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert 0 < sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) < 15_000
    idle, gap, count = (
        sock.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + gap * count < 15


def test_wrong_host_key_is_never_retried_and_nobody_logs_in(own_server: Sshd, tmp_path: Path) -> None:
    other = create_key(tmp_path / "other", comment="")
    with pytest.raises(HostKeyError) as caught:
        own_server.open(host_key=other.public)
    assert not caught.value.retryable
    assert caught.value.hint
    assert "Accepted publickey" not in own_server.log.read_text()


def test_machine_with_another_kind_of_host_key_is_refused(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", host_key_type="ecdsa") as server, pytest.raises(HostKeyError):
        server.open()


def test_unknown_key_may_still_be_on_its_way(server: Sshd, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "stranger", comment="")
    with pytest.raises(LinkError, match="does not let") as caught:
        server.open(key_file=stranger.path)
    assert caught.value.retryable


def test_missing_key_file(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        server.open(key_file=tmp_path / "none")


@pytest.mark.parametrize("host_key", ["", "ssh-ed25519", "ssh-ed25519 AAA"])
def test_damaged_host_key_in_the_record(server: Sshd, host_key: str) -> None:
    with pytest.raises(RecordError):
        server.open(host_key=host_key)


def test_refused(server: Sshd) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(LinkError, match="refused"):
            server.open(port=unused.getsockname()[1])


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n" + bytes(40)])
def test_something_else_that_hangs_up(server: Sshd, greeting: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(LinkError):
            server.open(port=listener.getsockname()[1], timeout=5.0)
        thread.join()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-frozen\r\n"])
def test_something_that_never_answers(server: Sshd, greeting: bytes) -> None:
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peers: list[socket.socket] = []

        def serve() -> None:
            for _ in range(2):
                peers.append(listener.accept()[0])
                peers[-1].sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(LinkError, match="no answer"):
            server.open(port=port, timeout=0.5)
        assert time.monotonic() - started < 1.5
        with cancelled_when(lambda: len(peers) == 2) as cancel:
            server.open(port=port, cancel=cancel, timeout=30.0)
        thread.join()
        for peer in peers:
            peer.close()
    until(lambda: threading.active_count() <= threads, what="no thread to be left behind")


def test_address_that_drops_packets(server: Sshd) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # the queue is full: further packets are dropped
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        started = time.monotonic()
        with cancelled_when(lambda: time.monotonic() - started > 0.2) as cancel:
            server.open(port=full.getsockname()[1], cancel=cancel, timeout=30.0)
        for sock in waiting:
            sock.close()


# -- commands --------------------------------------------------------------------------------------------


def run(connection: SshConnection, command: str, stdin: bytes = b"", silence: float = 10.0):
    return connection.run(command, stdin=stdin, silence_seconds=silence, cancel=CancelToken())


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


# -- cancel ----------------------------------------------------------------------------------------------


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


# -- the other side dies ---------------------------------------------------------------------------------


def test_frozen_machine_is_noticed(own_server: Sshd) -> None:
    connection = own_server.open()
    lines = connection.stream_lines(
        "while echo tick; do sleep 0.05; done", task="It", silence_seconds=0.5, cancel=CancelToken()
    )
    next(lines)
    own_server.freeze_sessions()
    started = time.monotonic()
    with pytest.raises(LinkError, match=r"not answered for 0\.5 s"):
        for _ in lines:
            pass
    assert time.monotonic() - started < 2
    with pytest.raises(LinkError):
        run(connection, "true", silence=0.5)
    assert time.monotonic() - started < 4
    connection.close()


def test_frozen_machine_is_noticed_while_sending(own_server: Sshd) -> None:
    connection = own_server.open()

    def endless(send: Callable[[memoryview], None]) -> None:
        own_server.freeze_sessions()
        while True:
            send(memoryview(bytes(30_000)))

    started = time.monotonic()
    with pytest.raises(LinkError):
        connection.write_stream("cat >/dev/null", endless, silence_seconds=0.5, cancel=CancelToken())
    assert time.monotonic() - started < 4
    connection.close()


@pytest.mark.parametrize("command", ["exec sleep 60", "exec cat", "exec cat /dev/zero"])
def test_killed_machine_is_noticed_at_once(own_server: Sshd, command: str, capfd: pytest.CaptureFixture[str]) -> None:
    connection = own_server.open()
    killed_at: list[float] = []

    def kill() -> None:
        until(lambda: len(own_server.sessions()) >= 2, what="the command to run")
        killed_at.append(time.monotonic())
        own_server.kill_sessions()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(LinkError):
        for _ in connection.read_stream(command, task="It", silence_seconds=60, cancel=CancelToken()):
            pass
    assert time.monotonic() - killed_at[0] < 2
    killer.join()
    connection.close()
    assert capfd.readouterr().err == ""


def test_close_frees_whoever_is_stuck(own_server: Sshd) -> None:
    threads = threading.active_count()
    connection = own_server.open()
    sent: list[float] = []
    ended: list[BaseException] = []

    def endless(send: Callable[[memoryview], None]) -> None:
        own_server.freeze_sessions()
        while True:
            send(memoryview(bytes(30_000)))
            sent.append(time.monotonic())

    def work() -> None:
        try:
            connection.write_stream("cat >/dev/null", endless, silence_seconds=60, cancel=CancelToken())
        except LinkError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(stalls(sent), what="the buffers to fill")
    started = time.monotonic()
    connection.close()
    assert time.monotonic() - started < 0.2
    thread.join(2)
    assert ended
    connection.close()
    with pytest.raises(LinkError):
        run(connection, "true")
    until(lambda: threading.active_count() <= threads, what="no thread to be left behind")


def test_a_full_disk_on_the_machine_is_called_that() -> None:
    with pytest.raises(MachineError, match="failed: the disk of the rented machine is full") as full:
        Answer(2, b"", b"tar: a.png: Cannot write: No space left on device\n").check("Unpacking the project")
    assert full.value.hint and full.value.details
    with pytest.raises(MachineError, match="exit status 2"):
        Answer(2, b"", b"tar: something else\n").check("Unpacking the project")
