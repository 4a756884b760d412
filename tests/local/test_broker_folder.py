"""A broker's folder is private, complete and read back as it was written."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from consilia.errors import InvalidSetting, Unavailable
from consilia.pki import Certificate, make_authority
from consilia_local.broker import BrokerFolder, write_broker_folder
from consilia_local.broker.__main__ import main
from consilia_local.broker.prosody import become_prosody


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    now = datetime.now(UTC)
    return make_authority("consortium/breast-cancer", now, days=1).issue(["localhost"], now)


def test_it_reads_back_as_it_was_written(tmp_path: Path, certificate: Certificate) -> None:
    written = write_broker_folder(tmp_path / "broker", "localhost", 5222, {"north": "a secret"}, certificate)
    assert BrokerFolder.read(tmp_path / "broker") == written
    assert written.password("north") == "a secret"
    assert written.certificate.read_bytes() == certificate.cert_pem
    assert str(written.path / "accounts") in written.prosody_config.read_text()


def test_only_its_owner_can_read_it(tmp_path: Path, certificate: Certificate) -> None:
    written = write_broker_folder(tmp_path / "broker", "localhost", 5222, {"north": "a secret"}, certificate)
    assert written.path.stat().st_mode & 0o777 == 0o700
    for private in (written.key, written.path / "accounts" / "north"):
        assert private.stat().st_mode & 0o777 == 0o600


def test_an_account_that_is_no_longer_given_is_removed(tmp_path: Path, certificate: Certificate) -> None:
    write_broker_folder(tmp_path, "localhost", 5222, {"north": "one", "south": "two"}, certificate)
    written = write_broker_folder(tmp_path, "localhost", 5222, {"south": "three"}, certificate)
    assert (written.password("north"), written.password("south")) == (None, "three")


def test_a_login_during_a_rewrite_reads_a_whole_password(tmp_path: Path, certificate: Certificate) -> None:
    written = write_broker_folder(tmp_path, "localhost", 5222, {"north": "one"}, certificate)
    with (written.path / "accounts" / "north").open() as login:
        write_broker_folder(tmp_path, "localhost", 5222, {"north": "two"}, certificate)
        assert login.read() == "one"
    assert written.password("north") == "two"


def test_accounts_of_any_names_do_not_overwrite_one_another(tmp_path: Path, certificate: Certificate) -> None:
    accounts = {"north.new": "one", "north": "two", "north.new.new": "three"}
    written = write_broker_folder(tmp_path, "localhost", 5222, accounts, certificate)
    assert {path.name: path.read_text() for path in (written.path / "accounts").iterdir()} == accounts


@pytest.mark.parametrize("account", ["", "North", "a/b", "../tls.key", "a b", ".hidden", "köln"])
def test_a_name_that_is_no_account_is_refused_and_never_read(
    account: str, tmp_path: Path, certificate: Certificate
) -> None:
    with pytest.raises(InvalidSetting, match="cannot be an account"):
        write_broker_folder(tmp_path, "localhost", 5222, {account: "secret"}, certificate)
    written = write_broker_folder(tmp_path, "localhost", 5222, {}, certificate)
    assert written.password(account) is None


@pytest.mark.parametrize("password", ["", " padded", "padded\n"])
def test_a_password_that_a_file_would_not_keep_is_refused(
    password: str, tmp_path: Path, certificate: Certificate
) -> None:
    with pytest.raises(InvalidSetting, match="the password of north"):
        write_broker_folder(tmp_path, "localhost", 5222, {"north": password}, certificate)


def test_another_folder_is_refused_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embedded", str(tmp_path)]) == 2
    assert "is not a broker's folder" in capsys.readouterr().err


def test_prosody_that_is_not_installed_is_told_in_one_sentence(tmp_path: Path, certificate: Certificate) -> None:
    written = write_broker_folder(tmp_path, "localhost", 5222, {}, certificate)
    with pytest.raises(Unavailable, match="apt-get install prosody, or use --broker embedded"):
        become_prosody(written, search_path="")
