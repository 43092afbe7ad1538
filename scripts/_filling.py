"""What a pharmacy does with prescriptions: takes lines, fills them, dispenses packs for them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from scripts._cli import Failure
from scripts._dispensing import Judged, dispensed
from scripts._goods import Goods
from scripts._member import Desk
from scripts._prescribing import WORD, Shown, client, shown_by
from scripts._scanning import Saying
from theriac.crypto import age
from theriac.errors import TheriacError
from theriac.ledger.sender import Sender
from theriac.medicine import medication
from theriac.medicine.counter import Standing
from theriac.medicine.prescribing import chosen
from theriac.medicine.prescriptions import Pass


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
