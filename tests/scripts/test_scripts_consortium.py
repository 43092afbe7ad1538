"""Consortium commands before any engine runs, and accounts that are named by their keystore's file."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_account import Account
from eth_account.messages import encode_defunct
from scripts_town import Town

from engines.organisation import Kept, Organisation
from engines.process import Daemon, EngineError
from engines.units import services, unit
from scripts._accounts import ApeSigner, address_of, find
from scripts._cli import Failure
from scripts._deploying import compiled
from scripts._inviting import check_board
from scripts._site import connected
from theriac.consortium.invitation import Invitation, Request
from theriac.consortium.peers import Card
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import InvitationOver, NotTheBoardsInvitation
from theriac.ledger.deployment import Deployment
from theriac.ledger.signer import KeySigner

KEY = "0x" + "42" * 32


def run(script: str, *words: str, **settings: str) -> tuple[int, list[str]]:
    """The exit code of a command, and the lines that it printed on standard error."""
    import importlib

    cli = importlib.import_module(f"scripts.{script}").cli
    called = CliRunner(mix_stderr=False, env=settings).invoke(cli, list(words))
    assert called.exception is None or isinstance(called.exception, SystemExit), called.exception
    return called.exit_code, called.stderr.splitlines()


# -- accounts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "lakeside.json"
    path.write_text(json.dumps(Account.encrypt(KEY, "open", kdf="scrypt", iterations=1 << 10)))
    return path


def test_account__named_by_its_keystores_file__signs(keystore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setenv("APE_ACCOUNTS_lakeside_PASSPHRASE", "open")
    signer = ApeSigner(find(str(keystore), play=False), ecosystem=None, alias=str(keystore))
    message = encode_defunct(text="a message")

    # when
    signature = signer.sign_message(message)

    # then
    assert Account.recover_message(message, signature=signature) == Account.from_key(KEY).address
    assert address_of(str(keystore), play=False) == Account.from_key(KEY).address


def test_account__with_a_wrong_passphrase__does_not_sign(keystore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APE_ACCOUNTS_lakeside_PASSPHRASE", "wrong")
    signer = ApeSigner(find(str(keystore), play=False), ecosystem=None, alias=str(keystore))
    with pytest.raises(Exception, match="Invalid password"):
        signer.sign_message(encode_defunct(text="a message"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"address": 7}', '{"address": "0x12"}', "\x00"])
def test_account__of_a_file_that_is_no_keystore__is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(Failure, match="no keystore"):
        find(str(tmp_path / "other.json"), play=False)


def test_account__of_a_file_that_is_not_there__is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot be read"):
        find(str(tmp_path / "none.json"), play=True)


# -- organisations ---------------------------------------------------------------------------------------------------


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return Organisation.lay(tmp_path / "lakeside", name="lakeside", host="192.0.2.7")


def test_lay__again__keeps_what_was_laid_out(organisation: Organisation) -> None:
    again = Organisation.lay(organisation.folder, name="other", host="192.0.2.8", validates=True)
    assert (again.name, again.host, again.validates, again.ports) == (
        "lakeside",
        "192.0.2.7",
        False,
        organisation.ports,
    )


@pytest.mark.parametrize("name", ["organisation.json", "peers.json", "keeps.json"])
def test_organisation__with_a_damaged_file__says_which(organisation: Organisation, name: str) -> None:
    # given
    (organisation.folder / name).write_text('[{"half": ')

    # then
    with pytest.raises(EngineError, match=f"{name} is damaged"):
        Organisation(organisation.folder).daemons() and Organisation(organisation.folder).peers()


def test_organisation__forgets_who_left(organisation: Organisation) -> None:
    # given
    cards = [Card(name, True, f"kni://{name}") for name in ("north", "city")]
    organisation.knows(cards)
    organisation.keeps(Kept("north", "/ip4/192.0.2.1/tcp/9096/p2p/12D3", "ab" * 32))

    # when
    organisation.forgets("north")

    # then
    assert (organisation.peers(), organisation.kept()) == (cards[1:], [])


def test_organisation__files_are_their_owners(organisation: Organisation) -> None:
    organisation.knows([])
    organisation.keeps(Kept("north", "", "ab" * 32))
    for path in organisation.folder.glob("*.json"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_unit__has_no_rights_no_secret_and_one_folder_to_write_to(organisation: Organisation) -> None:
    # when
    texts = {each.name: unit(organisation, each) for each in services(organisation)}

    # then
    assert list(texts) == ["chain", "store", "guests", "cluster"]
    for text in texts.values():
        assert organisation.secret not in text
        assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "User=theriac"} <= set(
            text.splitlines()
        )
        assert [each for each in text.splitlines() if each.startswith("ReadWritePaths=")] == [
            f"ReadWritePaths={organisation.folder}"
        ]
    assert "BindsTo=theriac-lakeside-guests.service" in texts["cluster"]


def test_daemon__is_not_handed_what_opens_its_owners_keys(tmp_path: Path) -> None:
    # given
    settings = {"THERIAC_PASSPHRASE": "one", "APE_ACCOUNTS_north_PASSPHRASE": "two", "THERIAC_MNEMONIC": "three"}
    told = tmp_path / "told"
    code = f"import json, os; open({str(told)!r}, 'w').write(json.dumps(dict(os.environ)))"
    starter = (
        "import sys; from pathlib import Path; from engines.process import Daemon\n"
        f"daemon = Daemon([sys.executable, '-c', {code!r}], name='told', folder=Path({str(tmp_path)!r}))\n"
        "daemon.start(); daemon._child.wait()"
    )
    environment = {**os.environ, **settings, "THERIAC_HOME": "kept", "PYTHONPATH": os.getcwd()}

    # when
    subprocess.run([sys.executable, "-c", starter], env=environment, check=True)

    # then
    seen = json.loads(told.read_text())
    assert (seen["THERIAC_HOME"], set(settings) & set(seen)) == ("kept", set())
    assert Daemon([], name="told", folder=tmp_path).log.exists()


# -- a board that is a contract --------------------------------------------------------------------------------------


def test_board__that_is_a_contract__has_invited_whom_its_code_accepts(town: Town, tmp_path: Path) -> None:
    # given a consortium whose board is a wallet that a key owns
    owner, stranger = (KeySigner(bytes([number]) * 32) for number in (7, 8))
    home = {"THERIAC_HOME": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THERIAC_HOME", str(tmp_path))
        with connected(town.settings["THERIAC_NETWORK"]) as site:
            kind = compiled("Wallet1271")
            made = site.web3.eth.contract(abi=kind["abi"], bytecode=kind["code"]).constructor(owner.address)
            wallet = site.sender("TEST::0").send(made).contract
        town.done("deploy", "--account", "TEST::0", "--board", str(wallet), **home)
        deployment = Deployment.load(tmp_path / "deployments" / "dev.json")
        card = Card("lakeside", False, "kni://" + "ab" * 64 + "@192.0.2.7:32323?discport=0&ntype=cn")
        recipient = HybridIdentity.generate().recipient
        request = Request("Lakeside", stranger.address, "clinician", str(recipient), card, town.chain.now())

        def signed(signer: KeySigner) -> Invitation:
            invitation = Invitation.of(
                request,
                genesis={"config": {"chainId": deployment.chain_id}},
                deployment=deployment,
                anchor=None,
                peers=[],
                keepers=[],
                secret="5e" * 32,
                signer=signer.address,
                now=town.chain.now(),
            )
            return Invitation.read(invitation.signed(signer))

        # then
        with connected(town.settings["THERIAC_NETWORK"]) as site:
            check_board(site, signed(owner))
            with pytest.raises(NotTheBoardsInvitation) as refused:
                check_board(site, signed(stranger))
            over = replace(signed(owner), expires=town.chain.now() - 1)
            with pytest.raises(InvitationOver):
                check_board(site, Invitation.read(over.signed(owner)))
    assert (refused.value.signer, refused.value.board) == (stranger.address, wallet)


# -- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"--host": "lakeside.example"},
        {"--host": "192.0.2.300"},
        {"--name": "Lakeside"},
        {"--name": "../north"},
        {"--roles": "king"},
    ],
    ids=str,
)
def test_request__of_what_cannot_be__is_refused_by_a_sentence(tmp_path: Path, changed: dict[str, str]) -> None:
    # given
    words = {"--name": "lakeside", "--title": "Lakeside", "--host": "192.0.2.7", "--roles": "clinician", **changed}
    given = [each for pair in words.items() for each in pair]

    # when
    code, said = run(
        "member", "request", "--nodes", str(tmp_path / "l"), *given, "-o", str(tmp_path / "r"), THERIAC_PASSPHRASE="x"
    )

    # then
    assert (code, len(said), (tmp_path / "r").exists(), (tmp_path / "l").exists()) == (2, 1, False, False), said


def test_join__where_nothing_was_asked__is_refused_by_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "i").write_text("{}")
    code, said = run("member", "join", "--nodes", str(tmp_path), "--invitation", str(tmp_path / "i"))
    assert (code, said) == (2, [f"Nothing was asked from {tmp_path}; begin with 'member request'."])


@pytest.mark.parametrize("act", ["start", "stop", "status"])
def test_member__of_a_folder_that_is_none__is_refused_by_a_sentence(tmp_path: Path, act: str) -> None:
    code, said = run("member", act, "--nodes", str(tmp_path))
    assert (code, len(said)) == (6, 1)
    assert "no organisation's folder" in said[0]


def test_consortium__where_there_is_none__says_how_to_get_one(tmp_path: Path) -> None:
    for act in ("status", "story"):
        code, said = run("consortium", act, THERIAC_HOME=str(tmp_path))
        assert (code, len(said), "make consortium" in said[0]) == (2, 1, True)
    assert run("consortium", "down", THERIAC_HOME=str(tmp_path)) == (0, [])
