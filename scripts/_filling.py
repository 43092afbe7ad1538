"""What a pharmacy does with prescriptions: takes lines, fills them, dispenses packs for them, and claims for that."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import click

from scripts._claiming import Provider, entry_called, provider_at
from scripts._cli import Failure
from scripts._covering import Money, as_shown, recipient_of, row_of, shown_rows, told_of
from scripts._dispensing import Judged, check_genuine, dispensed
from scripts._goods import Goods
from scripts._handing import at_work
from scripts._member import Desk
from scripts._prescribing import WORD, Shown, client, shown_by
from scripts._scanning import Saying
from theriac.cover.claiming import Claimed
from theriac.cover.messages import NONE, Claim, evidence_of
from theriac.cover.messages import Line as Claimable
from theriac.cover.papers import Card, Request, seal_opening
from theriac.cover.schedule import Entry
from theriac.crypto import age
from theriac.errors import TheriacError
from theriac.fhir import codes_of
from theriac.ledger.sender import Sender
from theriac.medicine import medication
from theriac.medicine.counter import Standing
from theriac.medicine.messages import Take
from theriac.medicine.prescribing import chosen, mask_of
from theriac.medicine.prescriptions import Item, Pass
from theriac.medicine.shelf import KnownPack
from theriac.medicine.tree import node_of

DISPENSE_FOR, FILL_FOR = 1, 2
"""What a contract may do for a pharmacy: bits of the mask at the consortium (contracts/types/Operations.sol)."""


def desk_at(goods: Goods) -> Desk:
    """The pharmacy's desk, which there is only with the chain. Raises Failure without it."""
    if goods.desk is None:
        raise Failure("The chain is out of reach, and prescriptions are not filled without it; try again later.", 4)
    return goods.desk


def sender_of(goods: Goods) -> Sender:
    """Who sends for the pharmacy's account. Raises Failure without the chain."""
    return goods.site.sender(desk_at(goods).alias)


def one_line(shown: Shown, numbers: Sequence[int]) -> int:
    """The line that a person means, which is to be one. Raises Failure, WrongSelection."""
    lines = chosen(numbers, len(shown.prescription.lines))
    if len(lines) != 1:
        raise Failure(f"The prescription has {len(lines)} lines; say with --line which one.")
    return lines[0]


def taken(goods: Goods, shown: Shown, numbers: Sequence[int], *, sender: Sender) -> list[int]:
    """Takes lines for this pharmacy, unless it holds them already; which, counted from zero."""
    prescriptions = client(goods.site, sender)
    states = prescriptions.states(shown.prescription, shown.terms)
    if isinstance(shown.key, Pass):
        named = [line for line in range(len(states)) if shown.key.lines >> line & 1]
        lines = [line - 1 for line in numbers] or named
        if not set(lines) <= set(named):
            raise Failure("This pass is for other lines; have the patient show one for these.", 3)
    else:
        lines = chosen(numbers, len(states))
        # Of a prescription that is brought as a whole, what is given already is no reason to refuse the rest.
        lines = lines if numbers else [line for line in lines if states[line].left] or lines
    for line in lines:
        if why := states[line].why_nothing:
            raise Failure(f"Nothing of line {line + 1} can be given: {why}.", 3)
    missing = [line for line in lines if states[line].holder != goods.depot.member]
    if not missing:
        return lines
    if isinstance(shown.key, Pass):
        if shown.key.to != goods.depot.member:
            raise Failure(f"This pass is for member {shown.key.to}; have the patient make one for this pharmacy.", 3)
        prescriptions.take(shown.key, shown.prescription)
        return lines
    deadline = prescriptions.now() + WORD
    word = prescriptions.word(shown.key, shown.terms, states, to=goods.depot.member, lines=missing, deadline=deadline)
    prescriptions.take(word, shown.prescription)
    return lines


def check_left(goods: Goods, shown: Shown, line: int, units: int) -> None:
    """Raises Failure where a line does not have so many units left now."""
    state = client(goods.site).states(shown.prescription, shown.terms)[line]
    if units > state.left:
        why = state.why_nothing or f"{state.left} can be given now"
        raise Failure(f"{units} of line {line + 1} cannot be given: {why}.", 3)


def filled(goods: Goods, shown: Shown, *, line: int, units: int, product: str, sender: Sender) -> None:
    """Fills a line that this pharmacy holds, with a MedicationDispense that is sealed to it."""
    item = shown.prescription.items[line]
    evidence = medication.dispensed(
        item.resource.value,
        prescription=shown.terms.id,
        line=line + 1,
        units=units,
        at=datetime.now(UTC),
        pharmacy=goods.name_of(goods.depot.member),
        product=product,
    )
    client(goods.site, sender).fill(
        shown.prescription,
        shown.terms,
        line=line,
        units=units,
        evidence=age.seal_bytes(evidence, to=[desk_at(goods).identity.recipient]),
        store=goods.site.store,
    )


def dispensed_for(
    goods: Goods, packs: Sequence[Judged], saying: Saying, *, code: str, numbers: Sequence[int], units: int
) -> None:
    """Takes a line, dispenses packs, and fills the line with them. Raises Failure where one of it is refused."""
    sender = sender_of(goods)
    shown = shown_by(code, goods.site)
    line = one_line(shown, numbers)
    check_left(goods, shown, line, units)
    products = {each.verdict.code.product for each in packs if each.verdict is not None and each.verdict.code}
    if len(products) != 1:
        raise Failure("These packs are of several products; dispense each for its own line.")
    taken(goods, shown, [line + 1], sender=sender)
    # A pack that another device dispensed meanwhile is gone too, and not for this line.
    if not all(each.standing is Standing.SETTLED for each in dispensed(goods, packs, saying)):
        raise Failure(f"Line {line + 1} is not filled, since not every pack is dispensed; settle, then use 'fill'.", 3)
    try:
        filled(goods, shown, line=line, units=units, product=products.pop(), sender=sender)
    except TheriacError as trouble:
        raise Failure(
            f"The packs are dispensed, and line {line + 1} is not filled: {trouble} Use 'fill', or 'undo' each pack.",
            trouble.exit_code,
        ) from None
    saying.note(f"Filled: {units} of line {line + 1}.")


# -- claims ----------------------------------------------------------------------------------------------------------


@contextmanager
def asked_for_goods(
    goods: Goods,
    card: Card,
    *,
    code: str,
    numbers: Sequence[int],
    units: int,
    charge: str,
    service: str | None,
    authorization: str | None,
    seconds: int,
) -> Iterator[tuple[Provider, Request]]:
    """The claim for a line of a prescription, for the patient to consent to. Raises Failure, WrongSelection."""
    shown = shown_by(code, goods.site)
    line = one_line(shown, numbers)
    check_left(goods, shown, line, units)
    entry = entry_called(card, service) if service else _entry_of(card, shown.prescription.items[line])
    if not entry.service.goods:
        raise Failure(f"{entry.service.display[:60]} is no medicine in this plan; a clinic claims for it.", 3)
    charged = _charged(card, entry, units=units, charge=charge)
    with provider_at(desk_at(goods)) as provider:
        number = NONE
        if authorization:
            [number] = provider.authorized(card, [provider.authorization_named(authorization)]).values()
        asked = Claimable(entry.benefit.service, 0, units, charged, number)
        latest = min(seconds, shown.prescription.lines[line].latest - provider.cover.now())
        request = provider.goods(card, entry, asked, prescription=shown.terms.id, number=line, seconds=latest)
        yield provider, request


def _entry_of(card: Card, item: Item) -> Entry:
    """What a plan lists of something that was prescribed. Raises Failure."""
    codes = codes_of(item.resource.value.get("medicationCodeableConcept"))
    pairs = [(code.system, code.code) for code in codes if code.system and code.code]
    found = {pair: entry for pair in pairs if (entry := card.schedule.find(*pair))}
    if len(found) != 1:
        many = "has codes of several services of the plan" if found else "has no code that the plan lists"
        raise Failure(f"{item.name[:60]} {many}; name the service with --service.")
    return next(iter(found.values()))


def _charged(card: Card, entry: Entry, *, units: int, charge: str) -> int:
    """What is asked for; of a sensitive medicine no more than is paid at most, or the charge would tell it."""
    asked = Money(card.schedule.decimals, card.schedule.currency).whole(charge)
    if not asked:
        raise Failure("A claim charges something; say with --charge how much.")
    return min(asked, entry.benefit.price * units) if entry.service.is_sensitive and entry.benefit.price else asked


@contextmanager
def provider_with_goods(who: str, *, network: str, store: str | None, account: str | None) -> Iterator[Provider]:
    """A pharmacy's desk, whose goods follow the chain to what is done inside."""
    with at_work(who, network=network, store=store, account=account) as goods, provider_at(desk_at(goods)) as provider:
        yield provider
        goods.sync()


def let_claim(provider: Provider, *, forbids: bool) -> None:
    """Lets the contract Claims dispense and fill for this pharmacy, or nothing any more."""
    mask = 0 if forbids else DISPENSE_FOR | FILL_FOR
    provider.cover.send("Consortium", "setOperator", provider.cover.contracts.Claims.address, mask)


def check_may_claim(provider: Provider) -> None:
    """Raises Failure where the pharmacy does not let Claims act for it."""
    contracts = provider.cover.contracts
    told = contracts.Consortium.functions.operatorOf(provider.member, contracts.Claims.address)
    if int(contracts.call(told)) & (DISPENSE_FOR | FILL_FOR) != DISPENSE_FOR | FILL_FOR:
        raise Failure("Claims may not dispense and fill for this pharmacy yet; run 'pharmacy let-claim' first.", 3)


@dataclass(frozen=True)
class _Given:
    """A pack that is to be given for a line, and what is told of it."""

    shown: Shown
    line: int
    pack: KnownPack
    units: int


def dispensed_by_claim(
    goods: Goods,
    packs: Sequence[Judged],
    saying: Saying,
    *,
    papers: tuple[str, str, str],
    least: str,
    as_json: bool,
) -> None:
    """Dispenses a pack, fills its line and submits the claim for both, in one transaction.

    `papers` are the prescription, what 'claim' wrote, and the consent. What was submitted already is only told of.
    Raises Failure where one of it is refused; nothing is done then.
    """
    code, request, consent = papers
    if len(packs) != 1:
        raise Failure("A claim is for one pack; dispense each with a claim of its own.")
    [judged_] = packs
    with provider_at(desk_at(goods)) as provider:
        claim, signature = provider.consented(request, consent)
        money = provider.money(claim)
        lowest = money.whole(least)
        if not provider.is_submitted(claim.id):
            check_genuine(goods, packs, saying)
            provider.check_consent(claim)
            check_may_claim(provider)
            given = _given(goods, shown_by(code, goods.site), claim, judged_.pack)
            check_left(goods, given.shown, given.line, given.units)
            _submit(goods, provider, claim, given, least=lowest, signature=signature)
            saying.verdict(judged_.read, judged_.verdict, online=goods.online, dispensed=True)
        found = provider.again(claim.id)
        _note(goods, found, judged_)
        saying.note(f"Filled: {claim.lines[0].units} of the line. {told_of(found, money)}")
        if as_json:
            click.echo(json.dumps(row_of(found, money)))


def _submit(goods: Goods, provider: Provider, claim: Claim, given: "_Given", *, least: int, signature: bytes) -> None:
    rows = as_shown(shown_rows(provider.card(claim).schedule, claim.lines))
    shown = _goods_of(goods, provider, claim, given)
    provider.cover.send("Claims", "dispense", claim.terms(), rows, shown, least, signature)


def _note(goods: Goods, found: Claimed, judged_: Judged) -> None:
    """Writes the dispense of a claim down, unless it is. Raises Failure where the claim was made with another pack."""
    pack, transaction = judged_.pack, found.submitted.transaction
    if (found.batch, found.index) != (pack.batch, pack.index):
        raise Failure(
            "This claim was made with another pack; nothing was dispensed. 'claims' says what became of it.", 3
        )
    if transaction not in {each.detail for each in goods.depot.counter.dispenses()}:
        goods.depot.note_dispense(pack, at=datetime.now(UTC), transaction=transaction)


def _given(goods: Goods, shown: Shown, claim: Claim, pack: KnownPack) -> _Given:
    """The line that a claim is for. Raises Failure where it is of another prescription."""
    for line in range(len(shown.prescription.lines)):
        if claim.evidence == evidence_of(shown.terms.id, line):
            return _Given(shown, line, pack, claim.lines[0].units)
    raise Failure("This claim is for another prescription; show the one that it was made for.", 3)


def _goods_of(goods: Goods, provider: Provider, claim: Claim, given: _Given) -> tuple[Any, ...]:
    """`IClaims.Goods`: the pack with its proof, the bearer's word, and the filling with its sealed evidence."""
    shown, prescription = given.shown, given.shown.prescription
    take, word = _word(goods, given)
    insurer = int(provider.cover.plan(claim.plan)["insurer"])
    to = [recipient_of(provider.desk, insurer), provider.desk.identity.recipient]
    evidence = goods.site.store.put(BytesIO(seal_opening(_opening(goods, given), to=to))).digest
    opened = tuple(prescription.lines[given.line].values().values())
    filling = (shown.terms.tuple, [each.hash for each in prescription.lines], given.line, opened, given.units, evidence)
    known = goods.depot.shelf.batch(given.pack.batch)
    commitment = known.key.committer(known.product).commitment(_serial(goods, given.pack))
    siblings = goods.depot.shelf.proof(given.pack)
    return (given.pack.batch, given.pack.index, commitment, siblings, take, word, filling)


def _word(goods: Goods, given: _Given) -> tuple[tuple[Any, ...], bytes]:
    """The bearer's word that the pharmacy may have a line; an empty one where it holds it. Raises Failure."""
    shown, line = given.shown, given.line
    prescriptions = client(goods.site)
    states = prescriptions.states(shown.prescription, shown.terms)
    if states[line].holder == goods.depot.member:
        take = Take(shown.terms, mask_of([line]), 0, goods.depot.member, 0, 0)
        return take.arguments()[0], b""
    if isinstance(shown.key, Pass):
        if shown.key.to != goods.depot.member or not shown.key.lines >> line & 1:
            raise Failure(
                "This pass is for another pharmacy or for other lines; have the patient make one for this.", 3
            )
        return shown.key.take(shown.prescription).arguments()[0], shown.key.signature
    deadline = prescriptions.now() + WORD
    word = prescriptions.word(shown.key, shown.terms, states, to=goods.depot.member, lines=[line], deadline=deadline)
    return word.take(shown.prescription).arguments()[0], word.signature


def _serial(goods: Goods, pack: KnownPack) -> str:
    return goods.depot.shelf.serials(pack.batch, node_of(pack.index))[pack.index]


def _opening(goods: Goods, given: _Given) -> dict[str, Any]:
    """What is sealed to the insurer of a claim for goods: the dispense, what was prescribed, and which pack it is."""
    item, serial = given.shown.prescription.items[given.line], _serial(goods, given.pack)
    known = goods.depot.shelf.batch(given.pack.batch)
    dispense = medication.dispensed(
        item.resource.value,
        prescription=given.shown.terms.id,
        line=given.line + 1,
        units=given.units,
        at=datetime.now(UTC),
        pharmacy=goods.name_of(goods.depot.member),
        product=known.product.code,
    )
    return {
        "dispense": dispense.decode(),
        "item": {"request": item.request, "salt": item.salt.hex()},
        "prescription": given.shown.terms.id.hex(),
        "line": given.line,
        "pack": {
            "code": known.product.code,
            "lot": known.product.lot,
            "expiry": known.product.expiry.isoformat() if known.product.expiry else "",
            "serial": serial,
            "salt": known.key.salt(serial).hex(),
        },
    }
