import os
import stat
from pathlib import Path

import pytest
import zmq.auth

from engine.errors import UsageError
from stream.cli import run
from stream.keys import KeyFolder, load_client_key

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys")
    folder.new_server()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_read_a_key_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = KeyFolder(tmp_path / "keys")
        made = [folder.new_server(), folder.new_client("office")]
    finally:
        os.umask(before)
    assert [mode(path) for path in made] == [0o600, 0o600]
    assert [mode(path) for path in (folder.path, folder.path / "clients")] == [0o700, 0o700]


def test_a_key_is_its_users_alone_before_a_byte_of_it_is_written(
    folder: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    real = os.fdopen

    def look(number: int, *arguments: object, **more: object) -> object:
        seen.append((stat.S_IMODE(os.fstat(number).st_mode), os.fstat(number).st_size))
        return real(number, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "fdopen", look)
    before = os.umask(0)
    try:
        folder.new_client("office")
    finally:
        os.umask(before)
    assert seen == [(0o600, 0), (0o600, 0)]


def test_nothing_is_overwritten_or_written_through_a_link(folder: KeyFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there already"):
        folder.new_server()
    (folder.path / "office.key_secret").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="there already"):
        folder.new_client("office")
    assert not (tmp_path / "elsewhere").exists()
    folder.new_client("lab")
    (folder.path / "lab.key_secret").unlink()  # handed over
    with pytest.raises(UsageError, match="a key called lab"):
        folder.new_client("lab")


def test_the_clients_file_has_all_it_needs_and_other_zeromq_programs_can_read_it(folder: KeyFolder) -> None:
    file = folder.new_client("office")
    key = load_client_key(file)
    assert key.server == folder.server().public
    assert zmq.curve_public(key.secret.encode()).decode() == key.public
    assert zmq.auth.load_certificate(file) == (key.public.encode(), key.secret.encode())
    assert zmq.auth.load_certificates(folder.path / "clients") == {key.public.encode(): True}
    assert folder.guests().names == {key.public: "office"}


def test_no_repr_shows_a_secret(folder: KeyFolder) -> None:
    key = load_client_key(folder.new_client("office"))
    server = folder.server()
    assert key.secret not in repr(key)
    assert server.secret not in repr(server)


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o610])
def test_a_secret_that_others_can_read_is_none_and_is_refused(folder: KeyFolder, bits: int) -> None:
    client = folder.new_client("office")
    for file in (client, folder.path / "server.key_secret"):
        file.chmod(bits)
    with pytest.raises(UsageError, match=r"others can read .*office\.key_secret.*chmod 600"):
        load_client_key(client)
    with pytest.raises(UsageError, match=r"others can read .*server\.key_secret.*chmod 600"):
        folder.server()


@pytest.mark.parametrize("inner", ["", "clients"])
def test_a_folder_that_others_can_write_to_lets_in_nobody(folder: KeyFolder, inner: str) -> None:
    folder.new_client("office")
    (folder.path / inner).chmod(0o770)
    with pytest.raises(UsageError, match="others can write to"):
        folder.guests()


def test_a_damaged_file_keeps_only_its_own_client_out(folder: KeyFolder) -> None:
    for name in ("broken", "open", "short", "well"):
        folder.new_client(name)
    clients = folder.path / "clients"
    (clients / "broken.key").write_bytes(b"\xff\0" * 100)
    (clients / "open.key").chmod(0o666)
    (clients / "short.key").write_text('public-key = "abc"')
    (clients / "long.key").write_text("#" * 20_000)
    guests = folder.guests()
    assert list(guests.names.values()) == ["well"]
    assert len(guests.problems) == 4


def test_a_key_whose_halves_do_not_belong_together_is_none(folder: KeyFolder) -> None:
    one, other = folder.new_client("one"), folder.new_client("other")
    mixed = one.read_text().replace(load_client_key(one).secret, load_client_key(other).secret)
    one.write_text(mixed)
    with pytest.raises(UsageError, match="is no client's key"):
        load_client_key(one)
    for nonsense in ("", "#" * 100, 'secret-key = "' + "#" * 40 + '"'):
        other.write_text(nonsense)
        with pytest.raises(UsageError, match="is no client's key"):
            load_client_key(other)


def test_the_servers_key_is_no_clients_and_the_other_way_round(folder: KeyFolder) -> None:
    with pytest.raises(UsageError, match="is no client's key"):
        load_client_key(folder.path / "server.key_secret")


def test_revoking_takes_both_files_and_says_when_there_is_none(folder: KeyFolder) -> None:
    file = folder.new_client("office")
    folder.revoke("office")
    assert not file.exists()
    assert not folder.guests().names
    for name in ("office", "nobody"):
        with pytest.raises(UsageError, match="no client is called"):
            folder.revoke(name)
    folder.new_client("office")


@pytest.mark.parametrize("name", ["", "../office", "a/b", "a.b", "x" * 65, "ä", "a\n", "-" * 65, "server"])
def test_a_name_that_could_be_a_path_or_the_servers_is_none(folder: KeyFolder, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a client's key"):
        folder.new_client(name)
    with pytest.raises(UsageError, match="is no name for a client's key"):
        folder.revoke(name)


def test_a_foreign_file_of_the_servers_name_does_not_cost_the_servers_key(folder: KeyFolder) -> None:
    (folder.path / "clients" / "server.key").write_text(folder.new_client("office").read_text())
    with pytest.raises(UsageError, match="is no name"):
        folder.revoke("server")
    assert folder.server()


def test_what_is_missing_is_said_with_the_command_that_makes_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    where = ["--dir", str(tmp_path / "keys")]
    assert run(["keys", "new", "office", *where]) == 2
    assert "vigil keys new server --dir" in capfd.readouterr().err
    assert run(["keys", "list", *where]) == 2
    assert run(["keys", "new", "server", *where]) == 0
    assert "vigil keys new NAME --dir" in capfd.readouterr().out
    assert run(["keys", "new", "office", *where]) == 0
    assert "--key office.key_secret" in capfd.readouterr().out
    assert run(["keys", "list", *where]) == 0
    said = capfd.readouterr().out
    assert said == f"office\t{load_client_key(tmp_path / 'keys' / 'office.key_secret').public}\n"
    assert run(["keys", "revoke", "office", *where]) == 0
    assert run(["keys", "list", *where]) == 0
    assert "office\t" not in capfd.readouterr().out
    assert run(["keys", "revoke", "office", *where]) == 2


def test_no_command_prints_a_secret(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    where = ["--dir", str(tmp_path)]
    for command in (["new", "server"], ["new", "office"], ["list"]):
        assert run(["keys", *command, *where]) == 0
    said = "".join(capfd.readouterr())
    assert KeyFolder(tmp_path).server().secret not in said
    assert load_client_key(tmp_path / "office.key_secret").secret not in said
