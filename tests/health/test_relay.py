"""A patient's way to relayers: what hostile ones gain, and what she is told."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from health_world import CLASSES, LAB, quick_lock
from hostile_relayer import hostile
from relay_world import BLANK_SECRET, HOSPITAL_KEY, RelayWorld, listening, member_address

from theriac.errors import NotCarried, NoVoucher, Reverted
from theriac.health.chain import Chain
from theriac.health.delegations import Appoint
from theriac.health.groups import State, _is_signed
from theriac.health.guardians import SetGuardians
from theriac.health.keystore import Keystore
from theriac.health.messages import Freshness, RevokeEverything, SetPublisher
from theriac.health.patient import Patient
from theriac.health.relay import FirstRelay
from theriac.health.scope import Purpose, mask_of
from theriac.health.vault import Vault
from theriac.health.vouchers import BlankKey, Purse, ask_document, sign_blanks
from theriac.health.wallet import MnemonicWallet, new_mnemonic
from theriac.ledger.deployment import Deployment
from theriac.store import LocalStore

READER = member_address(1)

FIRST_DOES = {
    "drop": "late",
    "lie": "it says that it is done, and it is not",
    "first half": "late",
    "second half": "late",
    "refuse": "the contract  [31mrefuses",
    "refuse later": "no luck",
    "want vouchers": "pay first",
    "busy": "",
    "nonsense": "not JSON",
    "endless": "without end",
    "redirect": "HTTP status 302",
}


# properties Y10, Y11
@pytest.mark.parametrize("does", FIRST_DOES)
def test_carry__a_hostile_relayer_first__the_next_one_does_it_whole(relays: RelayWorld, does: str) -> None:
    """A revoke and a publication, of which a hostile relayer can send one without the other, and no more."""
    ann, told = relays.published(), list[str]()
    relays.send(ann.grant(READER))
    with hostile(relays, does) as ill, listening(relays.relayer()) as server:
        client = relays.client(ill.url, server.url, tell=told.append, patience=timedelta(seconds=1))

        receipt = client.carry(ann.revoke(READER), ann.publish(2))

    assert (ann.is_granted(READER), ann.nonce(READER), ann.version) == (False, 2, 2)
    assert relays.anvil.web3.eth.get_transaction_receipt(receipt.transaction)["status"] == 1
    assert (len(told) == 0) == (FIRST_DOES[does] == "")
    assert FIRST_DOES[does] in " ".join(told)
    assert "\x1b" not in " ".join(told)


def test_carry__guardians_a_mandate_and_the_end_of_it__are_seen_on_the_chain(relays: RelayWorld) -> None:
    # given
    ann, fresh = relays.published(), Freshness(0, 0, relays.soon())
    contracts = relays.contracts
    messages = [
        SetGuardians(ann.address, b"\x07" * 32, 0, 0, relays.soon()),
        Appoint(
            ann.address, 7, READER, mask_of([LAB]), 1 << Purpose.parse("TREAT").number, 0, relays.midnight(9), fresh
        ),
    ]
    relayer = relays.relayer()
    with listening(relayer) as server:
        client = relays.client(server.url, purse=relays.purse(relays.voucher(ann, relayer)))

        # when
        for message in messages:
            client.carry(ann.sign(message))

    # then
    assert contracts.call(contracts.Recovery.functions.guardOf(ann.address))["successor"] == b"\x07" * 32
    assert contracts.call(contracts.Grants.functions.parentOf(ann.address, 7))["holder"] == READER


@pytest.mark.parametrize("contract", ["Keys", "Records", "Grants", "Delegations", "Letters", "Recovery", "Emergencies"])
def test_state__knows_whether_each_message_has_had_its_effect(relays: RelayWorld, contract: str) -> None:
    carried = [
        each["name"] for each in relays.contracts.abi(contract) if each["type"] == "function" and _is_signed(each)
    ]

    assert carried
    assert [name for name in carried if not hasattr(State, f"_{contract}_{name}".lower())] == []


# property Y10
@pytest.mark.parametrize("does", ["drop", "lie", "refuse", "nonsense"])
def test_carry__hostile_relayers_only__is_never_called_done(relays: RelayWorld, does: str) -> None:
    ann = relays.published()
    with hostile(relays, does) as ill:
        client = relays.client(ill.url, patience=timedelta(seconds=0.4), timeout=timedelta(seconds=1))
        with pytest.raises(NotCarried) as failed:
            client.carry(ann.publish(2))

    assert list(failed.value.reasons) == [ill.url]
    assert ann.version == 1


def test_carry__a_relayer_that_did_it_and_says_nothing__is_seen_on_the_chain(relays: RelayWorld) -> None:
    ann = relays.published()
    with hostile(relays, "silently") as ill:
        receipt = relays.client(ill.url).carry(ann.publish(2))

    assert ann.version == 2
    assert relays.anvil.web3.eth.get_transaction(receipt.transaction)["to"] == relays.contracts.Carrier.address


# property Y11
def test_hostile__whatever_it_does_with_what_it_kept__the_chain_takes_it_once(relays: RelayWorld) -> None:
    """Replays, other orders, what is stale since the era was raised, what was held back."""
    ann = relays.published()
    with hostile(relays, "silently") as ill:
        client = relays.client(ill.url)
        client.carry(ann.publish(2), ann.grant(READER))
        ill.does = "drop"
        later = relays.client(ill.url, patience=timedelta(seconds=0.2), timeout=timedelta(seconds=0.5))
        with pytest.raises(NotCarried):
            later.carry(ann.grant(READER, nonce=1, days=60), ann.publish(3))
        held = ill.groups[-1]

        # then: what was done is done, in whatever order; what was held back can be sent, since she signed it
        assert not any(ill.send(ill.groups[0], *order) for order in ((0,), (1,), (1, 0), (0, 1)))
        # a raised era ends it
        relays.send(ann.sign(RevokeEverything(ann.address, 0, relays.soon())))
        assert not any(ill.send(held, *order) for order in ((0,), (1,), (1, 0), (0, 1)))

    assert (ann.version, ann.nonce(READER)) == (2, 1)
    assert relays.chain.explain(ann.address, READER, 1, Purpose.parse("TREAT")).name in ("ERA_RAISED", "NO_STANDING")


def test_carry__what_a_contract_refuses__says_so_and_no_relayer_hears_of_it(relays: RelayWorld) -> None:
    ann = relays.published()
    with hostile(relays, "drop") as ill, pytest.raises(Reverted) as refused:
        relays.client(ill.url).carry(ann.publish(7))

    assert (refused.value.inner or refused.value).error == "WrongVersion"
    assert ill.groups == []


# property Y12
def test_carry__each_pseudonym_by_connections_of_its_own_that_look_alike(relays: RelayWorld) -> None:
    """What a hostile relayer sees of two pseudonyms has nothing in common but what everybody's has."""
    ann, bea = relays.published(), relays.published()
    relays.send(ann.grant(READER))
    with hostile(relays, "silently") as ill:
        client = relays.client(ill.url, jitter=timedelta(seconds=1))
        begun = time.monotonic()
        client.carry(ann.revoke(READER))
        client.carry(bea.publish(2))
        client.carry(ann.publish(2))
        taken = time.monotonic() - begun

    ports = [address for address, _ in ill.connections]
    assert len(set(ports)) == 3
    assert [each for _, each in ill.connections] == [ann.address, bea.address, ann.address]
    assert len(set(ill.sizes)) == 1
    told = [{name: value for name, value in each.items() if name != "Host"} for each in ill.headers]
    assert told[0] == told[1] == told[2]
    assert set(told[0]) <= {"User-Agent", "Accept", "Accept-Encoding", "Connection", "Content-Type", "Content-Length"}
    assert (told[0]["User-Agent"], taken > 0) == ("theriac", True)


def test_carry__a_relayer_of_another_chain__is_given_nothing(relays: RelayWorld, tmp_path: Path) -> None:
    ann = relays.published()
    with hostile(relays, "drop") as ill:
        ill.honest.realm = type(ill.honest.realm)(1, ill.honest.realm.carrier)
        with pytest.raises(NotCarried):
            relays.client(ill.url).carry(ann.publish(2))

    assert ill.groups == []


def test_carry__a_blank_for_each_pseudonym__and_none_twice(relays: RelayWorld) -> None:
    relayer = relays.relayer()
    ann, bea, cat = (relays.pseudonym() for _ in range(3))
    purse = relays.purse(blanks=[relays.blank(relayer), relays.blank(relayer)])
    with listening(relayer) as server:
        client = relays.client(server.url, purse=purse)
        for each in (ann, bea):
            client.carry(each.first())
            client.carry(each.sign(SetPublisher(each.address, READER, 1, 0, relays.soon())))
        with pytest.raises(NoVoucher):
            client.carry(cat.first())

    assert [by for _, by in purse.blanks] == [ann.address, bea.address]
    assert [each.version for each in (ann, bea, cat)] == [1, 1, 0]


def test_carry__a_voucher__before_a_blank(relays: RelayWorld) -> None:
    relayer, ann = relays.relayer(), relays.pseudonym()
    purse = relays.purse(relays.voucher(ann, relayer), blanks=[relays.blank(relayer)])
    with listening(relayer) as server:
        relays.client(server.url, purse=purse).carry(ann.first())

    assert (ann.version, [by for _, by in purse.blanks]) == (1, [""])


def test_carry__a_voucher_that_counts_no_more__gives_way_to_a_blank(relays: RelayWorld) -> None:
    relayer, ann = relays.relayer(), relays.pseudonym()
    purse = relays.purse(relays.voucher(ann, relayer, key=HOSPITAL_KEY), blanks=[relays.blank(relayer)])
    with listening(relayer) as server:
        relays.client(server.url, purse=purse).carry(ann.first())

    assert (ann.version, [by for _, by in purse.blanks]) == (1, [ann.address])


# property Y10
def test_carry__at_depth__waits_until_blocks_stand_on_it(relays: RelayWorld) -> None:
    # given: a network that wants two blocks on top
    ann, relayer = relays.published(), relays.relayer()
    deep = relays.client(tell=print)
    deployment = relays.contracts.deployment
    deep.contracts = type(relays.contracts)(relays.anvil.web3, _deeper(deployment))
    with listening(relayer) as server:
        deep.urls = [server.url]
        deep.timeout = deep.patience = timedelta(seconds=1.5)
        with pytest.raises(NotCarried) as early:
            deep.carry(ann.publish(2))
        relays.anvil.ask("anvil_mine", "0x3")
        deep.carry(ann.publish(2))

    assert "deep" in str(early.value)


def _deeper(deployment: Deployment) -> Deployment:
    return replace(deployment, depth=2)


def test_first_relay__a_payer_where_no_relayer_carries(relays: RelayWorld) -> None:
    ann = relays.published()

    class Payer:
        def carry(self, *signed: object) -> object:
            relays.send(*signed)
            return "paid"

    paid = FirstRelay([relays.client("http://127.0.0.1:9"), Payer()]).carry(ann.publish(2))

    assert (paid, ann.version) == ("paid", 2)


# -- with a whole client ---------------------------------------------------------------------------------------------


def test_patient__by_a_relayer_alone__publishes_grants_and_revokes(relays: RelayWorld, tmp_path: Path) -> None:
    # given: a patient without a payer, blanks for what she will open, and a store that only she has
    relayer = relays.relayer()
    vault = Vault()
    keystore = Keystore.create(tmp_path / "vault", vault.encode(), quick_lock())
    purse = Purse(vault, save=lambda: keystore.save(vault.encode()))
    key = BlankKey.of(relays.chain.profile(READER, relays.store))
    assert key is not None
    asked = purse.ask(member=1, relayer=relayer.address, key=key, count=4)
    assert purse.receive(sign_blanks(ask_document(1, asked), member=1, key=BLANK_SECRET), key=key) == 4
    own = LocalStore(tmp_path / "store")
    with listening(relayer) as server:
        client = relays.client(server.url, purse=purse, store=own)
        patient = Patient(
            vault,
            keystore,
            wallet=MnemonicWallet(new_mnemonic()),
            chain=Chain(relays.anvil.web3, relays.contracts, index=tmp_path / "index"),
            relay=client,
            store=own,
            classes=CLASSES,
        )
        _copy(relays, own)
        # when
        patient.found()
        end = _in_days(relays, 20)
        patient.grant(READER, classes=[LAB], purpose=Purpose.parse("TREAT"), end=end)
        granted = patient.vault.sharings[0].pseudonym
        allowed = relays.chain.grant(granted, READER, Purpose.parse("TREAT"))["scope"]
        patient.revoke(READER, purpose=Purpose.parse("TREAT"))
        used = [by for _, by in purse.blanks if by]
        # and restores from a backup: what the lost device may have used for one pseudonym is used for no other
        purse.ask(member=1, relayer=relayer.address, key=key, count=1)
        patient.recover()

    # then: all is there, the relayer keeps what others need, and no account of hers has sent anything
    assert (bool(allowed), relays.chain.grant(granted, READER, Purpose.parse("TREAT"))["scope"]) == (True, 0)
    assert len(vault.accounts) == len(set(used)) == 3
    assert all(by for _, by in purse.blanks)
    assert "asked" not in vault.purse
    for pseudonym in vault.accounts:
        bundle = relays.chain.bundle(pseudonym, relays.store)
        assert relays.anvil.web3.eth.get_transaction_count(pseudonym) == 0
        if bundle.backup:
            assert relays.store.get_digest(bytes.fromhex(bundle.backup)).read(1)


def _copy(relays: RelayWorld, store: LocalStore) -> None:
    """The members' profiles, which everybody can fetch."""
    account = relays.chain.member_account(1)
    document, _ = relays.chain.document(account, relays.store)
    store.put(BytesIO(document))


def _in_days(relays: RelayWorld, days: int) -> datetime:
    return datetime.fromtimestamp(relays.midnight(days), UTC)
