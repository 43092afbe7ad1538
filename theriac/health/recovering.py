"""What a patient's client does about guardians and other wallets: names them, asks them, makes every key new.

A change of all keys is written down before it begins (`Vault.moving`), so that a phone that dies on the way goes on
where it stopped: first the pseudonyms that the new wallet controls, home before all, then what is left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from eth_account import Account as EthAccount

from theriac.crypto.recipients import HybridRecipient, parse_recipient
from theriac.errors import NoGuardians, NoMove, StrangeGuardians
from theriac.health.chain import Chain, Pending, Signed, sign
from theriac.health.guardians import (
    Confirm,
    Finish,
    Guardian,
    Guardianship,
    Guarding,
    Lapse,
    Object,
    SetGuardians,
    TakeOver,
)
from theriac.health.hours import seconds_of
from theriac.health.keystore import Lock, shares_lock
from theriac.health.messages import Grant, HandOver
from theriac.health.pleas import Approval, Plea, Pleaded
from theriac.health.scope import PURPOSES, REFERRAL, SINGLE_RECORDS, Purpose, mask_of
from theriac.health.vault import Account, Moving, Vault, classes_of
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Message
from theriac.store import Store

if TYPE_CHECKING:
    from theriac.health.chain import Relay
    from theriac.health.keystore import Keystore
    from theriac.health.messages import Freshness
    from theriac.health.others import Others
    from theriac.health.wallet import Wallet

_NONE = bytes(32)

_ASKED = 6 * 24 * 3600
"""Seconds that guardians have to sign; the contract takes a week."""

_LEAST = 3600
"""With fewer seconds left, guardians are asked anew."""


@dataclass(frozen=True)
class Printed:
    """A guardian's share in words, for paper."""

    name: str
    words: str = field(repr=False)


@dataclass(frozen=True)
class Standing:
    """How one pseudonym stands with its guardians. Times in seconds since 1970, zero for none.

    :param guarded: whether guardians of this vault count, and `since` when those to come will.
    :param pending: the recovery, if one is; `ours` whether it is to this wallet.
    """

    pseudonym: str
    home: bool
    guarded: bool
    since: int
    controlled: bool
    pending: Pending
    ours: bool


class Recovering:
    """The part of a patient's client that is about guardians and other wallets."""

    vault: Vault
    chain: Chain
    store: Store
    _keystore: "Keystore"
    _wallet: "Wallet"
    _former: "Wallet | None"
    _relay: "Relay"
    others: "Others"

    if TYPE_CHECKING:

        def _publish(self, account: Account, *first: Signed) -> None: ...
        def _publish_remaining(self, *, without: Account | None = None) -> None: ...
        def _certify(self, account: Account) -> None: ...
        def _put_spares_by(self) -> None: ...
        def _save(self) -> None: ...
        def _deadline(self) -> int: ...
        def _signer(self, account: Account) -> Signer: ...
        def _freshness(self, pseudonym: str, reader: str, purpose: Purpose) -> "Freshness": ...
        def adopt(self, account: Account) -> None: ...

    # -- naming guardians --------------------------------------------------------------------------------------------

    def set_guardians(self, guardians: Sequence[Guardian], *, threshold: int) -> list[Printed]:
        """Has others guard these keys; the shares of all, for those who keep theirs on paper.

        The backup is sealed to their shares at once. They count on the chain after 30 days; those of before do until
        then. Where there were others, every key is made new: their shares open the backups of before.

        :raises BadGuardians: too few, or as many are needed as an objection would ask for.
        """
        self._check_still()
        former = self.vault.guardians
        serial = former.serial + 1 if former is not None else 1
        printed = self._take(Guardianship(tuple(guardians), threshold, {}, "", serial))
        self._name_guardians()
        if former is not None:
            self._put_spares_by()
            self._begin_move(Moving("guardians", list(self.vault.accounts), wrapped=True))
        else:
            # Nobody gets a set that no backup knows: it could not be shown when it is needed.
            self._save()
            self._publish(self.vault.home())
        self.guard_accounts()
        return printed

    def renew_guardians(self) -> list[Printed]:
        """A new lock and new sets for the same guardians, with new shares for all; every key is made new."""
        standing = self._guardianship()
        return self.set_guardians(standing.guardians, threshold=standing.threshold)

    def drop_guardians(self) -> None:
        """Has nobody guard these keys: no backup opens by shares any more, and on the chain it ends after 30 days."""
        self._check_still()
        self._guardianship()
        self.vault.guardians = None
        self._put_spares_by()
        self._begin_move(Moving("guardians", list(self.vault.accounts), wrapped=True))
        self.guard_accounts()

    def _check_still(self) -> None:
        """One change of all keys at a time: another would forget what is left of it."""
        if self.vault.moving is not None:
            raise NoMove(fault=f"a change of all keys is under way ({self.vault.moving.how}); finish that first")

    def _guardianship(self) -> Guardianship:
        if self.vault.guardians is None:
            raise NoGuardians(fault="none are set")
        return self.vault.guardians

    def _take(self, guardianship: Guardianship) -> list[Printed]:
        guardianship.check()
        holders = [_recipient(each) for each in guardianship.guardians]
        shared = shares_lock(holders, k=guardianship.threshold, home=self.vault.home().pseudonym)
        self.vault.guardians = replace(guardianship, lock=shared.lock.parameters, wrap=str(shared.lock.recipient))
        names = (each.name for each in guardianship.guardians)
        return [Printed(name, words) for name, words in zip(names, shared.words, strict=True)]

    def _name_guardians(self) -> None:
        """Draws a set for every pseudonym that has none of the newest ones."""
        standing = self.vault.guardians
        for account in (*self.vault.accounts.values(), *self.vault.spares) if standing is not None else ():
            if standing is not None and not _has_newest(account, standing):
                account.guarding = [*account.guarding, Guarding.of(standing)]

    def _other_locks(self) -> tuple[Lock, ...]:
        return (self.vault.guardians.as_lock,) if self.vault.guardians is not None else ()

    def guard_accounts(self) -> None:
        """Brings the newest sets to the chain, each in a transaction of its own; new pseudonyms get theirs."""
        if self.vault.guardians is None and not any(each.guarding for each in self.vault.accounts.values()):
            return
        self._name_guardians()
        if self.vault.unsaved_sets() and self._may_publish(self.vault.home()):
            self._publish(self.vault.home())
        named = self._named()
        for account in self.vault.accounts.values():
            wanted = account.guarding[-1].set.hash if account.guarding and self.vault.guardians is not None else _NONE
            if wanted == named.get(account.pseudonym, [_NONE])[-1] or not self._controls(account):
                continue
            guard, authority = self.chain.guard(account.pseudonym), self.chain.authority(account.pseudonym)
            if wanted != (guard.successor if guard.since else guard.guardians) and not authority.frozen:
                message = SetGuardians(account.pseudonym, wanted, guard.nonce, authority.era, self._deadline())
                self._relay.carry(sign(self.chain, message, self._signer(account)))

    def _named(self) -> dict[str, list[bytes]]:
        """The hashes of all sets that were ever named for her pseudonyms, the newest last."""
        named: dict[str, list[bytes]] = {}
        for event in self.chain.index.events("Recovery", "GuardiansSet"):
            pseudonym = str(event.arguments["pseudonym"])
            if pseudonym in self.vault.accounts:
                named.setdefault(pseudonym, []).append(bytes(event.arguments["guardians"]))
        return named

    def guardian_alarms(self) -> tuple[StrangeGuardians, ...]:
        """Guardians, recoveries and wallets of her pseudonyms that do not come from here."""
        found = [
            StrangeGuardians(pseudonym=pseudonym, what="Other guardians were set")
            for pseudonym, hashes in self._named().items()
            if self._is_strange(self.vault.accounts[pseudonym], hashes)
        ]
        if self.vault.moving is None:
            taken = [each for each in self._told("Keys", "HandedOver") if not self._controls(each)]
            started = [
                each for each in self._told("Recovery", "Started") if self.chain.pending(each.pseudonym).controller
            ]
            for accounts, what in (
                (taken, "Another wallet was made to rule"),
                (started, "A recovery was started"),
            ):
                found += [StrangeGuardians(pseudonym=each.pseudonym, what=what) for each in accounts]
        return tuple(found)

    def _is_strange(self, account: Account, hashes: list[bytes]) -> bool:
        """Whether guardians that are not this vault's count or will, or hers were taken away."""
        if hashes[-1] == _NONE and self.vault.guardians is not None:
            return True
        strange = set(hashes) - {each.set.hash for each in account.guarding} - {_NONE}
        if not strange:
            return False
        guard = self.chain.guard(account.pseudonym)
        return bool({guard.guardians, guard.successor} & strange)

    def _told(self, contract: str, event: str) -> list[Account]:
        """Her accounts that such events tell of."""
        told = dict.fromkeys(str(each.arguments["pseudonym"]) for each in self.chain.index.events(contract, event))
        return [self.vault.accounts[each] for each in told if each in self.vault.accounts]

    def object_to_recovery(self) -> list[str]:
        """Objects to every pending recovery of a pseudonym that this wallet controls; which those are."""
        objected = []
        for account in self.vault.accounts.values():
            pending = self.chain.pending(account.pseudonym)
            if not pending.controller or pending.objected or not self._controls(account):
                continue
            era = self.chain.authority(account.pseudonym).era
            message = Object(account.pseudonym, pending.round, era, self._deadline())
            self._relay.carry(sign(self.chain, message, self._signer(account)))
            objected.append(account.pseudonym)
        return objected

    def standings(self) -> list[Standing]:
        """How each pseudonym stands with its guardians, home first."""
        found = []
        for account in _in_order(self.vault, self.vault.accounts.values()):
            guard, pending = self.chain.guard(account.pseudonym), self.chain.pending(account.pseudonym)
            ours = {each.set.hash for each in account.guarding}
            found.append(
                Standing(
                    pseudonym=account.pseudonym,
                    home=account.home,
                    guarded=guard.guardians in ours,
                    since=guard.since,
                    controlled=self._controls(account),
                    pending=pending,
                    ours=pending.controller == self._signer(account).address,
                )
            )
        return found

    # -- another wallet ----------------------------------------------------------------------------------------------

    def begin_recovery(self, *, from_backup: bool) -> None:
        """From now on this client's wallet is the one that guardians are asked to give every pseudonym to."""
        self._put_spares_by()
        self.vault.moving = Moving("recovery", list(self.vault.accounts), from_backup=from_backup)
        self._save()

    def pleas(self) -> list[Plea]:
        """What each guardian is asked to sign, by one file a guardian. Asked again, it is the same for six days.

        :raises NoGuardians: no guardians of this vault count on the chain.
        """
        moving = self._recovery()
        asked: dict[str, list[Pleaded]] = {}
        for account in self._left():
            guarding, pending = self._guarding(account), self.chain.pending(account.pseudonym)
            controller = str(self._signer(account).address)
            if guarding is None or (pending.controller and pending.controller != controller):
                continue
            number = pending.round if pending.controller else pending.round + 1
            deadline, before = moving.asked.get(account.pseudonym, [0, 0])
            if before != number or deadline < self.chain.time() + _LEAST:
                deadline = self._deadline() + _ASKED
                moving.asked[account.pseudonym] = [deadline, number]
            terms = TakeOver(account.pseudonym, controller, number, deadline, guarding.set)
            for member in guarding.members:
                asked.setdefault(member.name, []).append(Pleaded(terms, member.account, member.place))
        self._save()
        if not asked:
            raise NoGuardians(fault="none of those that this vault knows count on the chain yet, or another is pending")
        home = self.vault.home().pseudonym
        return [Plea(name, home, tuple(items)) for name, items in sorted(asked.items())]

    def start_recovery(self, approvals: Iterable[Approval]) -> list[str]:
        """Brings what guardians signed to the chain: starts recoveries, or adds guardians to those that are pending.

        Signatures that do not fit are left out. Gives the pseudonyms for which something was brought.
        """
        moving, brought = self._recovery(), []
        given: dict[str, dict[str, bytes]] = {}
        for approval in approvals:
            for each in approval.items:
                given.setdefault(each.pseudonym, {})[each.account] = each.signature
        for account in self._left():
            guarding, asked = self._guarding(account), moving.asked.get(account.pseudonym)
            signer, pending = self._signer(account), self.chain.pending(account.pseudonym)
            if guarding is None or asked is None or asked[0] < self.chain.time():
                continue
            chosen = guarding.set
            terms = TakeOver(account.pseudonym, signer.address, asked[1], asked[0], chosen)
            signatures = self._fitting(terms, given.get(account.pseudonym, {}))
            answered = chosen.members(pending.confirmed | pending.withdrawn) if pending.controller else ()
            fresh = {each: signatures[each] for each in chosen.accounts if each in signatures and each not in answered}
            whole = replace(terms, signers=chosen.mask(fresh))
            if pending.controller and pending.round == whole.round and fresh:
                message: Message = Confirm(**vars(whole))
                self._relay.carry(Signed(message, tuple(fresh.values())))
            elif not pending.controller and len(fresh) >= chosen.threshold:
                acceptance = signer.sign_message(whole.signable(self.chain.domain("Recovery")))
                self._relay.carry(Signed(whole, (*fresh.values(), acceptance)))
            else:
                continue
            brought.append(account.pseudonym)
        return brought

    def _fitting(self, terms: TakeOver, given: Mapping[str, bytes]) -> dict[str, bytes]:
        signable = terms.signable(self.chain.domain("Recovery"))
        found = {}
        for account, signature in given.items():
            if account not in terms.guardians.accounts:
                continue
            try:
                own = EthAccount.recover_message(signable, signature=signature) == account
            except Exception:
                # Whatever a library makes of a malformed signature, it is nobody's key.
                own = False
            if own or self.chain.accepts(account, signable, signature):
                found[account] = signature
        return found

    def finish_recovery(self) -> list[str]:
        """Finishes every recovery to this wallet that can be, then makes the keys new; the pseudonyms that are done."""
        self._recovery()
        before = list(self.vault.accounts)
        for account in self._left():
            pending = self.chain.pending(account.pseudonym)
            due = pending.ends <= self.chain.time() and pending.confirmed.bit_count() >= pending.needed
            if pending.controller == self._signer(account).address and due:
                self._relay.carry(Signed(Finish(account.pseudonym), ()))
        self._go_on()
        left = self.vault.moving.left if self.vault.moving is not None else []
        return [each for each in before if each not in left]

    def lapse_recoveries(self) -> list[str]:
        """Ends every recovery whose time is over, whoever started it; which pseudonyms they were of."""
        lapsed = []
        for account in self.vault.accounts.values():
            pending = self.chain.pending(account.pseudonym)
            if pending.controller and pending.lapses <= self.chain.time():
                self._relay.carry(Signed(Lapse(account.pseudonym), ()))
                lapsed.append(account.pseudonym)
        return lapsed

    def hand_over(self, *, keep_grants: bool = True, keep_guardians: bool = True) -> None:
        """Gives every pseudonym from the former wallet to this one, and makes every key new.

        :param keep_grants: whether readers read on; otherwise everything that was granted ends.
        :param keep_guardians: whether the same guardians guard on, by new shares; otherwise nobody does.
        """
        self._check_still()
        if self._former is None:
            raise NoMove(fault="no wallet hands over")
        if not keep_grants:
            self.vault.sharings, self.vault.singles, self.vault.revoking = [], [], []
        if not keep_guardians:
            self.vault.guardians = None
        self._put_spares_by()
        self._begin_move(Moving("hand-over" if keep_grants else "hand-over without grants", list(self.vault.accounts)))

    def recover(self) -> None:
        """After a restore from a backup: fresh seeds, inboxes and publishers, published for every pseudonym.

        What the chain has changed since then goes to nobody.
        """
        self._put_spares_by()
        self._begin_move(Moving("restore", list(self.vault.accounts), from_backup=True))

    # -- making every key new ----------------------------------------------------------------------------------------

    def _begin_move(self, moving: Moving) -> None:
        self.vault.moving = moving
        self._save()
        self._go_on()

    def _go_on(self) -> None:
        """Makes the keys of every pseudonym new that this wallet has by now, home first: it names the backup."""
        moving = self.vault.moving
        if moving is None:
            return
        ours = [account for account in self._left() if self._is_to_move(account)]
        if not ours or (self.vault.home().pseudonym in moving.left and not ours[0].home):
            return

        # (1) fresh seeds of every class, inboxes and publishers; a new lock, whose shares no former guardian has
        hour = self.chain.hour()
        if moving.from_backup:
            self._strike_changed(moving)
        for account in ours:
            if account.pseudonym not in moving.fresh:
                self.adopt(account)
                (self.vault.recover if moving.from_backup else self.vault.refresh)(account, hour=hour)
                self._certify(account)
                moving.fresh.append(account.pseudonym)
        self._wrap_anew(moving)
        self._save()

        # (2) the wallet, the grants that its coming made void, and the new keys, one pseudonym after the other
        for account in ours:
            self._hand_over(account)
            self._publish(account, *self._lacking_grants(account))
            moving.left.remove(account.pseudonym)
            self._save()

        # (3) the capsules of those who were done earlier, and what guardians hold
        done = {account.pseudonym for account in ours}
        if not moving.left:
            if moving.how.startswith("hand-over"):
                # A child that has come of age: who acted for it as its guardian does no more.
                self.others.age_out()
            self.vault.moving = None
            self._save()
        for account in list(self.vault.accounts.values()):
            granted = any(each.pseudonym == account.pseudonym and each.live(hour) for each in self.vault.sharings)
            if granted and account.pseudonym not in {*done, *moving.left}:
                self._publish(account)
        self.guard_accounts()

    def _strike_changed(self, moving: Moving) -> None:
        """Strikes out what was changed or revoked since the backup, whoever did it.

        The chain does not tell which classes are behind a bit, nor since when history may be read; and a thief who
        revokes takes less from her than a restore that gives again what she revoked herself.
        """
        for account in self.vault.accounts.values():
            if account.pseudonym in moving.fresh:
                continue
            # A recovery that is over raised the era once, and so made void what it is about to grant again.
            over = moving.how == "recovery" and self._controls(account)
            era = self.chain.authority(account.pseudonym).era - over
            for sharing in [each for each in self.vault.sharings if each.pseudonym == account.pseudonym]:
                found = self.chain.grant(sharing.pseudonym, sharing.reader, Purpose.parse(sharing.purpose))
                if sharing.nonce not in (0, found["nonce"]) or (sharing.granted and found["era"] != era):
                    self.vault.strike(sharing)
            for reader in {each.reader for each in self.vault.singles if each.pseudonym == account.pseudonym}:
                grants = (self.chain.grant(account.pseudonym, reader, purpose) for purpose in PURPOSES)
                if not any(each["scope"] >> SINGLE_RECORDS & 1 and each["era"] == era for each in grants):
                    self.vault.unshare_singles(account.pseudonym, reader)

    def _wrap_anew(self, moving: Moving) -> None:
        """New shares, where every guardian gets its own from the backup; paper has to be printed again."""
        standing = self.vault.guardians
        if standing is None or moving.wrapped:
            return
        if all(each.recipient for each in standing.guardians):
            self._take(replace(standing, serial=standing.serial + 1))
            self._name_guardians()
        moving.wrapped = True

    def _is_to_move(self, account: Account) -> bool:
        """Whether its keys can be made new: a recovery has to be over first, a hand-over is done here."""
        moving = self.vault.moving
        return moving is not None and (moving.how != "recovery" or self._controls(account))

    def _hand_over(self, account: Account) -> None:
        moving, signer = self.vault.moving, self._signer(account)
        if moving is None or not moving.how.startswith("hand-over") or self._controls(account):
            return
        if self._former is None:
            raise NoMove(fault="the wallet that hands over is not here; start 'patient hand-over' again")
        authority, (_, nonce) = self.chain.authority(account.pseudonym), self.chain.publisher(account.pseudonym)
        publisher, keep = self.vault.publisher(account).address, moving.how == "hand-over"
        message = HandOver(account.pseudonym, signer.address, publisher, keep, nonce, authority.era, self._deadline())
        self._relay.carry(sign(self.chain, message, self._former.signer(account.place), signer))

    def _lacking_grants(self, account: Account) -> list[Signed]:
        """What was granted and still runs, where the raised era made it void: the same classes and the same window.

        What stood under a parent is not granted again: without its parent it would never end with it.
        """
        authority, hour = self.chain.authority(account.pseudonym), self.chain.hour()
        wanted: dict[tuple[str, Purpose], tuple[int, int, int]] = {}
        for each in self.vault.sharings:
            alone = not each.by and not each.through
            if each.pseudonym == account.pseudonym and each.granted and alone and each.live(hour):
                scope = mask_of(classes_of(each.classes)) | each.referable << REFERRAL
                if self._singles(account, each.reader):
                    scope |= 1 << SINGLE_RECORDS
                wanted[each.reader, Purpose.parse(each.purpose)] = (scope, seconds_of(each.start), seconds_of(each.end))
        for reader in {each.reader for each in self.vault.singles if each.pseudonym == account.pseudonym}:
            last = self._singles(account, reader)
            for purpose in PURPOSES if last > hour and not any(who == reader for who, _ in wanted) else ():
                found = self.chain.grant(account.pseudonym, reader, purpose)
                if found["scope"] >> SINGLE_RECORDS & 1:
                    wanted[reader, purpose] = (1 << SINGLE_RECORDS, found["start"], seconds_of(last))
        lacking = []
        for (reader, purpose), (scope, start, expiry) in wanted.items():
            found = self.chain.grant(account.pseudonym, reader, purpose)
            if found["era"] != authority.era:
                fresh = self._freshness(account.pseudonym, reader, purpose)
                message = Grant(account.pseudonym, reader, purpose, scope, start, expiry, fresh)
                lacking.append(sign(self.chain, message, self._signer(account)))
                place = (account.pseudonym, reader, purpose.code)
                for each in [each for each in self.vault.sharings if each.place == place]:
                    self.vault.count(each, nonce=fresh.nonce + 1)
        return lacking

    def _singles(self, account: Account, reader: str) -> int:
        """Until when a reader has single records; zero for none."""
        ends = [each.end for each in self.vault.singles if (each.pseudonym, each.reader) == (account.pseudonym, reader)]
        return max(ends, default=0)

    # -- who rules ---------------------------------------------------------------------------------------------------

    def _controls(self, account: Account) -> bool:
        """Whether this wallet speaks for the pseudonym, as the chain says."""
        return self.chain.authority(account.pseudonym).controller == self._signer(account).address

    def _may_publish(self, account: Account) -> bool:
        """Whether a publication from here would count; while another wallet takes over, it may not."""
        if self.vault.moving is None:
            return True
        ours = self.vault.publisher(account).address
        return self.chain.publisher(account.pseudonym)[0] == ours or self._controls(account)

    def _recovery(self) -> Moving:
        if self.vault.moving is None or self.vault.moving.how != "recovery":
            raise NoMove(fault="no recovery was begun here; 'patient recover begin' does")
        return self.vault.moving

    def _left(self) -> list[Account]:
        """The accounts that are still to be moved, home first, then those that records stand under."""
        left = self.vault.moving.left if self.vault.moving is not None else []
        return _in_order(self.vault, (self.vault.accounts[each] for each in left if each in self.vault.accounts))

    def _guarding(self, account: Account) -> Guarding | None:
        """The set of this vault's that counts on the chain."""
        counts = self.chain.guard(account.pseudonym).guardians
        return next((each for each in account.guarding if each.set.hash == counts), None)


def _in_order(vault: Vault, accounts: Iterable[Account]) -> list[Account]:
    return sorted(accounts, key=lambda each: (not each.home, not each.written, each.place))


def _has_newest(account: Account, standing: Guardianship) -> bool:
    return bool(account.guarding) and account.guarding[-1].serial == standing.serial


def _recipient(guardian: Guardian) -> HybridRecipient | None:
    """What a guardian's share is sealed to; only a post-quantum one is good enough for all keys."""
    if not guardian.recipient:
        return None
    recipient = parse_recipient(guardian.recipient)
    if not isinstance(recipient, HybridRecipient):
        raise NoGuardians(
            fault=f"the recipient of {guardian.name[:60]} is a classic one, and all keys are sealed to it"
        )
    return recipient
