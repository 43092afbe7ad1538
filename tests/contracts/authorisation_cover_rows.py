"""Who may call what of the contracts of cover, as `authorisation_rows.py` has it of the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from authorisation_cast import (
    ACCEPTED,
    BATCH,
    CARRIER,
    HELD,
    PHARMACY,
    Cast,
    Outcome,
    filling,
    proof,
    terms_of,
)
from authorisation_cover import (
    ANOTHER,
    APPEALED,
    APPEALED_LONG_AGO,
    BY_CARRIER,
    COVER,
    DECIDED,
    DELIVERED,
    DENIED,
    LAPSED,
    LITTLE,
    NEW,
    OBSERVATION,
    OPEN,
    OPENINGS,
    OVER,
    PAYERS,
    PENDED,
    PREMIUM,
    QUANTITY,
    REFUTED,
    REFUTED_LONG_AGO,
    SECOND,
    UNPUBLISHED,
    WITHHELD,
    agreement,
    authorization,
    claim,
    enrolment,
    episode,
    number,
    request,
    rows,
    settled,
    terms_of_plan,
)
from authorisation_rows import (
    MOVED,
    Arguments,
    Row,
    Rule,
    SignedRow,
    anyone,
    called_with,
    carried_rows,
    in_role,
    not_the_controller,
    only,
    soon,
    stands,
    the,
)
from contracts_world import MEMBERS, NOTHING, ZERO, digest
from signature_cover import (
    BENEFIT,
    CHARGED,
    MEDICINE,
    UNLIMITED,
    Adjustment,
    Coordination,
    Dispensing,
    Judgement,
    Objection,
    Submission,
)

from theriac.consortium import Role
from theriac.cover.messages import Agreement, Claim, EndPolicy, Enrol, Line, evidence_of
from theriac.cover.messages import Outcome as SeenOutcome
from theriac.ledger.typed import Message

PROVIDERS = Role.CLINICIAN | Role.PHARMACIST | Role.LABORATORY
ARBITERS = Role.REGULATOR | Role.AUDITOR
PAYING = (*PAYERS, CARRIER)

OUTSIDE = (
    "stranger",
    "board",
    "recovery",
    "insurer",
    "adjuster",
    "hospital",
    "doctor",
    "authority",
    "patient",
    CARRIER,
)
"""Who is tried where only one contract may: it compares addresses, whatever else they are."""

OF_MOVED = (*MOVED, "former wallet", "patient", "stranger", "insurer", "account that replaced it", "doctor", CARRIER)
"""Who is tried about a pseudonym that moved."""


# -- rules -----------------------------------------------------------------------------------------------------------


def at(member: int, roles: Role, refusal: Callable[[Cast, int], Outcome]) -> Rule:
    """Whoever has one of the roles at the member; who has it at another is told so."""

    def rule(cast: Cast, asking: str) -> Outcome:
        theirs = stands(asking, roles)
        return in_role(roles)(cast, asking) if theirs in (0, member) else refusal(cast, theirs)

    return rule


def insures(about: Callable[[Cast], bytes]) -> Rule:
    """Whoever is an insurer at the plan's own."""
    return at(
        MEMBERS.insurer,
        Role.INSURER,
        lambda cast, member: Outcome("NotTheInsurer", (about(cast), member, MEMBERS.insurer)),
    )


def or_controls(controller: str, otherwise: Rule) -> Rule:
    """The pseudonym's controller as well."""
    return lambda cast, asking: ACCEPTED if asking == controller else otherwise(cast, asking)


def party(member: int, roles: Role, about: Callable[[Cast], bytes]) -> Rule:
    """Whoever has one of the roles at the member that the act is for."""
    return at(member, roles, lambda cast, theirs: Outcome("NotAParty", (about(cast), theirs)))


provides = at(MEMBERS.hospital, PROVIDERS, lambda _, member: Outcome("NotTheProvider", (member, MEMBERS.hospital)))
dispenses = at(PHARMACY, Role.PHARMACIST, lambda _, member: Outcome("NotTheProvider", (member, PHARMACY)))
reviews = at(MEMBERS.insurer, Role.INSURER, lambda _, member: Outcome("NotTheInsurer", (member, MEMBERS.insurer)))


def refused(error: str, *facts: Any) -> Rule:
    """Nobody may: the sender and these facts are told."""
    return lambda cast, asking: Outcome(
        error, (cast.address(asking), *(fact(cast) if callable(fact) else fact for fact in facts))
    )


def nothing_to_move(cast: Cast, asking: str) -> Outcome:
    return Outcome("NothingToMove")


def not_the_member(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotTheMember", (cast.address(asking), MEMBERS.insurer))


def holds_too_little(cast: Cast, asking: str) -> Outcome:
    return Outcome("HeldShort", (number(cast, COVER), LITTLE, 0))


# -- what is signed --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DirectEnrol(Enrol):
    """What the insurer signed, and the patient brings herself."""

    FUNCTION: ClassVar[str] = "enrol"


def plan(name: str) -> Callable[[Cast], bytes]:
    """A plan's number."""
    return lambda cast: number(cast, name)


def enrols(pseudonym: str, kind: type[Enrol] = Enrol) -> Callable[[Cast], Enrol]:
    """What is signed for a policy of the plan that nobody has one of."""
    return lambda cast: enrolment(cast, pseudonym, NEW, kind=kind)


def submits(pseudonym: str) -> Callable[[Cast], Claim]:
    """A new claim of the hospital's."""
    return lambda cast: claim(cast, "new", pseudonym)


def dispensing(cast: Cast) -> Dispensing:
    """A claim for the pack and the line that the pharmacy has."""
    no_word = ((ZERO, ZERO, NOTHING, NOTHING), 0, 0, 0, 0)
    goods = (BATCH, *proof(0), no_word, b"", filling(cast, HELD))
    given = {
        "provider": PHARMACY,
        "evidence": evidence_of(terms_of(cast).id, HELD),
        "lines": [Line(MEDICINE, 0, 1, CHARGED)],
    }
    made: Dispensing = claim(cast, "goods", kind=Dispensing, goods=goods, **given)
    return made


def coordination(cast: Cast) -> Coordination:
    """A claim to the second payer."""
    first = claim(cast, DECIDED)
    same = {"evidence": first.evidence, "lines": first.lines, "primary": first.id, "first": settled(cast, DECIDED)}
    made: Coordination = claim(cast, DECIDED, kind=Coordination, plan=number(cast, SECOND), **same)
    return made


def adjustment(cast: Cast) -> Adjustment:
    """A claim in the place of the one that is decided."""
    changed = {"salt": digest("another salt"), "old": settled(cast, DECIDED)}
    made: Adjustment = claim(cast, DECIDED, kind=Adjustment, **changed)
    return made


def objection(pseudonym: str) -> Callable[[Cast], Objection]:
    """What the patient signs to appeal."""

    def build(cast: Cast) -> Objection:
        about = claim(cast, DECIDED, pseudonym)
        return Objection(about.pseudonym, about.id, digest("reasons"), 0, soon(cast), shown=about)

    return build


def judgement(cast: Cast) -> Judgement:
    """What the auditor signs about the refuted claim."""
    terms = (id_of(REFUTED)(cast), OPENINGS, True, cast.address("auditor"), soon(cast))
    return Judgement(*terms, settled=settled(cast, REFUTED))


def new_agreement(cast: Cast) -> Agreement:
    """What the doctor and the patient sign."""
    return agreement(cast, "new")


def seen(cast: Cast) -> SeenOutcome:
    """What the colleague signs about the treatment."""
    return SeenOutcome(of_episode(DELIVERED)(cast), OBSERVATION, 5000, cast.address("colleague"), soon(cast))


def ending(pseudonym: str) -> Callable[[Cast], EndPolicy]:
    """What the patient signs to end her policy."""
    return lambda cast: EndPolicy(cast.address(pseudonym), number(cast, COVER), 0, soon(cast))


def id_of(what: str, pseudonym: str = "patient") -> Callable[[Cast], bytes]:
    """A claim's number."""
    return lambda cast: claim(cast, what, pseudonym).id


def content(cast: Cast) -> bytes:
    """The content of the claim that is decided."""
    found: bytes = claim(cast, DECIDED).content
    return found


def shown(what: str, pseudonym: str = "patient") -> Callable[[Cast], tuple[Any, ...]]:
    """A claim's terms."""
    return lambda cast: claim(cast, what, pseudonym).terms()


def as_decided(what: str) -> Callable[[Cast], tuple[Any, ...]]:
    """A claim as it was decided."""
    return lambda cast: settled(cast, what)


def of_episode(what: str) -> Callable[[Cast], bytes]:
    """An episode's number."""
    return lambda cast: episode(agreement(cast, what))


def signed_by(pseudonym: str, controller: str) -> Iterator[SignedRow]:
    """What the controller of a pseudonym signs."""
    about = "a pseudonym that moved" if pseudonym != "patient" else ""
    both = ("adjuster", controller)
    yield SignedRow(Enrol, enrols(pseudonym), both, about)
    yield SignedRow(Enrol, enrols(pseudonym), both, about, place=1)
    yield SignedRow(DirectEnrol, enrols(pseudonym, DirectEnrol), both[:1], about, sender=controller)
    yield SignedRow(EndPolicy, ending(pseudonym), (controller,), about)
    yield SignedRow(Submission, submits(pseudonym), (controller,), about, sender="doctor")
    yield SignedRow(Objection, objection(pseudonym), (controller,), about)


SIGNED = (
    *signed_by("patient", "patient"),
    *signed_by(*MOVED),
    SignedRow(Dispensing, dispensing, ("patient",), "for goods", sender="pharmacist"),
    SignedRow(Coordination, coordination, ("patient",), "to a second payer", sender="doctor"),
    SignedRow(Adjustment, adjustment, ("patient",), "in another's place", sender="doctor"),
    SignedRow(Judgement, judgement, ("auditor",)),
    SignedRow(Agreement, new_agreement, ("doctor", "patient"), sender="insurer"),
    SignedRow(Agreement, new_agreement, ("doctor", "patient"), place=1, sender="insurer"),
    SignedRow(SeenOutcome, seen, ("colleague",)),
)


# -- what is called --------------------------------------------------------------------------------------------------


def signed(message: Callable[[Cast], Message], *signers: str) -> Arguments:
    """What a function is called with that takes a message."""
    return lambda cast: message(cast).arguments(*(cast.sign(message(cast), signer) for signer in signers))


def policy_rows() -> Iterator[Row]:
    """Plans and policies: by the insurer, the patient, and anyone who pays."""

    def row(function: str, rule: Rule, *arguments: Any, about: str = "", kinds: tuple[str, ...] = ()) -> Row:
        return Row("Policies", function, about, called_with(*arguments), rule, kinds)

    patient = the("patient")
    yield row("publish", insures(plan(UNPUBLISHED)), lambda cast: terms_of_plan(cast, UNPUBLISHED))
    yield row("close", insures(plan(COVER)), plan(COVER))
    yield row("reinstate", insures(plan(LAPSED)), plan(LAPSED), patient)
    yield row("payPremium", anyone, plan(PREMIUM), patient, 1, kinds=PAYING)
    for pseudonym, controller in (("patient", "patient"), MOVED):
        about = "a pseudonym that moved" if pseudonym != "patient" else ""
        ends = or_controls(controller, insures(plan(COVER)))
        kinds = OF_MOVED if about else ()
        yield row("endPolicy", ends, plan(COVER), the(pseudonym), about=about, kinds=kinds)
        enrol, controls = (
            signed(enrols(pseudonym, DirectEnrol), "adjuster"),
            only(controller, not_the_controller(controller)),
        )
        yield Row("Policies", "enrol", about, enrol, controls, kinds)


def authorization_rows() -> Iterator[Row]:
    """Authorizations: by the provider that asks and the insurer that answers."""

    def row(function: str, rule: Rule, *arguments: Any) -> Row:
        return Row("Authorizations", function, "", called_with(*arguments), rule)

    def asked(cast: Cast) -> bytes:
        return authorization(cast, "asked")

    def incomplete(cast: Cast) -> bytes:
        return authorization(cast, "asked, and incomplete")

    def not_the_provider(cast: Cast, member: int) -> Outcome:
        return Outcome("NotTheProvider", (incomplete(cast), member, MEMBERS.hospital))

    yield row("request", in_role(PROVIDERS), lambda cast: request(cast, "new"))
    yield row("complete", at(MEMBERS.hospital, PROVIDERS, not_the_provider), incomplete, digest("the rest"))
    yield row("pend", insures(asked), asked, digest("what is missing"))
    yield row("approve", insures(asked), asked, 1, 0, soon)
    yield row("refuse", insures(asked), asked, digest("why"))


def escrow_rows() -> Iterator[Row]:
    """Money: put aside by anyone, taken out by the insurer, moved by the contract that the plan names."""

    def row(function: str, rule: Rule, *arguments: Any, kinds: tuple[str, ...] = ()) -> Row:
        return Row("Escrow", function, "", called_with(*arguments), rule, kinds)

    decides = only(CARRIER, refused("NotTheAdjudicator", the(CARRIER)))
    theirs, hospital = plan(BY_CARRIER), MEMBERS.hospital
    yield row("deposit", anyone, plan(COVER), 1, kinds=PAYING)
    yield row("drain", only("insurer", not_the_member), plan(COVER), 1, the("nobody yet"))
    yield row("setPayout", only("insurer", not_the_member), MEMBERS.insurer, the("nobody yet"), True)
    yield row("answerFor", refused("NotThePayee", ZERO), MEMBERS.hospital, True)
    yield row("withdraw", only("hospital", nothing_to_move), lambda cast: cast.coin.address, the("nobody yet"))
    yield row("payShare", anyone, plan(COVER), content, UNLIMITED, kinds=PAYING)
    yield row("pay", decides, theirs, hospital, 1, kinds=OUTSIDE)
    yield row("takeBack", decides, theirs, hospital, 1, kinds=OUTSIDE)
    yield row("refundShare", decides, theirs, digest("a claim"), hospital, kinds=OUTSIDE)
    yield row("dispute", decides, theirs, hospital, 1, kinds=OUTSIDE)
    yield row("conclude", decides, theirs, hospital, LITTLE // 2, True, kinds=OUTSIDE)
    yield row("hold", only(CARRIER, refused("NotAnOperator", MEMBERS.insurer)), plan(COVER), LITTLE, kinds=OUTSIDE)
    yield row("release", only(CARRIER, holds_too_little), plan(COVER), hospital, LITTLE, kinds=OUTSIDE)
    yield row("push", refused("OnlySelf"), lambda cast: cast.coin.address, the("nobody yet"), 1, kinds=OUTSIDE)


def benefit_rows() -> Iterator[Row]:
    """Benefits are used by the contract that the plan names, and by nobody else."""

    def made(cast: Cast) -> tuple[Any, ...]:
        found: tuple[Any, ...] = claim(cast, "without evidence", plan=number(cast, BY_CARRIER)).terms()
        return found

    query = (NOTHING, 0, False, False, False, UNLIMITED, 0)
    decides = only(CARRIER, refused("NotTheAdjudicator", the(CARRIER)))
    yield Row("Benefits", "decide", "", called_with(made, rows(BY_CARRIER), query), decides, OUTSIDE)
    yield Row("Benefits", "redecide", "", called_with(made, [BENEFIT], [0], query), decides, OUTSIDE)
    yield Row("Benefits", "undo", "", called_with(made, [], [], query), decides, OUTSIDE)


def claim_rows() -> Iterator[Row]:
    """Claims: by the provider, the reviewer, the patient, and the contracts that hear appeals and hold money."""

    def row(function: str, rule: Rule, *arguments: Any, about: str = "", kinds: tuple[str, ...] = ()) -> Row:
        return Row("Claims", function, about, called_with(*arguments), rule, kinds)

    for pseudonym, controller in (("patient", "patient"), MOVED):
        about = "a pseudonym that moved" if pseudonym != "patient" else ""
        consents = only(controller, lambda cast, _, by=controller: Outcome("NoConsent", (cast.address(by),)))
        yield row("consent", consents, shown("new", pseudonym), about=about, kinds=OF_MOVED if about else ())
    yield Row("Claims", "submit", "", signed(submits("patient"), "patient"), provides)
    yield Row("Claims", "dispense", "", signed(dispensing, "patient"), dispenses)
    yield Row("Claims", "coordinate", "", signed(coordination, "patient"), provides)
    yield Row("Claims", "adjust", "", signed(adjustment, "patient"), provides)
    pended = (shown(PENDED), rows("with a review"), NOTHING, 0)
    yield row("resume", provides, *pended, 0)
    yield row("review", reviews, *pended, True)
    yield row("reverse", provides, as_decided(DECIDED), NOTHING, 0)
    yield row("receiveShare", provides, plan(COVER), content)
    hears = only(CARRIER, refused("NotTheAppeals", the(CARRIER)))
    yield row("redecide", hears, as_decided(DENIED), [QUANTITY], kinds=OUTSIDE)
    yield row("withhold", hears, as_decided(DENIED), kinds=OUTSIDE)
    yield row("conclude", hears, as_decided(WITHHELD), False, kinds=OUTSIDE)
    yield row("settleShare", refused("NotTheEscrow"), plan(COVER), content, kinds=OUTSIDE)


def appeal_rows() -> Iterator[Row]:
    """Appeals: by the patient and the provider, answered by the insurer and the arbiter; refutations the other way."""

    def row(function: str, rule: Rule, *arguments: Any, about: str = "", kinds: tuple[str, ...] = ()) -> Row:
        return Row("Appeals", function, about, called_with(*arguments), rule, kinds)

    for pseudonym, controller in (("patient", "patient"), MOVED):
        about = "a pseudonym that moved" if pseudonym != "patient" else ""
        appeals = or_controls(controller, party(MEMBERS.hospital, PROVIDERS, id_of(DECIDED, pseudonym)))
        kinds, terms = OF_MOVED if about else (), shown(DECIDED, pseudonym)
        yield row("appeal", appeals, terms, digest("reasons"), about=about, kinds=kinds)

    insurer, authority = MEMBERS.insurer, MEMBERS.authority
    answer = ([], False, digest("an answer"))
    yield row("answer", party(insurer, Role.INSURER, id_of(APPEALED)), as_decided(APPEALED), *answer)
    late = party(authority, ARBITERS, id_of(APPEALED_LONG_AGO))
    yield row("answer", late, as_decided(APPEALED_LONG_AGO), *answer, about="the insurer did not in time")
    yield row("refute", party(insurer, Role.INSURER, id_of(DECIDED)), as_decided(DECIDED), 1, OPENINGS)
    yield row("rule", party(authority, ARBITERS, id_of(REFUTED)), as_decided(REFUTED), OPENINGS, True)
    yield row("lapse", anyone, as_decided(REFUTED_LONG_AGO), kinds=PAYING)


def episode_rows() -> Iterator[Row]:
    """Episodes: opened by the insurer, delivered by the provider, assessed by another."""

    def row(function: str, rule: Rule, *arguments: Any, kinds: tuple[str, ...] = ()) -> Row:
        return Row("Episodes", function, "", called_with(*arguments), rule, kinds)

    hospital, clinic, delivered = MEMBERS.hospital, MEMBERS.clinic, of_episode(DELIVERED)
    opens = party(MEMBERS.insurer, Role.INSURER, lambda cast: episode(new_agreement(cast)))
    yield Row("Episodes", "open", "", signed(new_agreement, "doctor", "patient"), opens)
    yield row("deliver", party(hospital, PROVIDERS, of_episode(OPEN)), of_episode(OPEN), ANOTHER)
    yield row("assess", party(clinic, PROVIDERS, delivered), delivered, OBSERVATION, 5000)
    yield row("expire", anyone, of_episode(OVER), kinds=PAYING)


ROWS = (
    *policy_rows(),
    *authorization_rows(),
    *escrow_rows(),
    *benefit_rows(),
    *claim_rows(),
    *appeal_rows(),
    *episode_rows(),
    *carried_rows(SIGNED),
)
