"""A patient's commands about cover: enrol, show a card, consent to claims, see what became of them, pay, appeal.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from typing import TYPE_CHECKING, Any

import click

from scripts._cli import (
    Actor,
    as_option,
    check_out,
    confirmed,
    example,
    json_option,
    network_options,
    payer_option,
    print_json,
    printable,
    table,
    write_file,
    yes_option,
)

if TYPE_CHECKING:
    from scripts._patient_cover import Insured, Kept
    from theriac.cover.papers import Request

_WHO = as_option("patient")
_ACCOUNT = click.option(
    "--account", default=None, help="An account of Ape that has the money, yours or somebody else's; the payer's else."
)
_PLAN = click.argument("plan")
_CLAIM = click.argument("claim")
_OUT = click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")


def add_cover(cli: Actor) -> None:
    """Adds a patient's commands about policies and claims."""
    for command in (_enrol, _policies, _card, _premium, _end_policy, _consent, _claims, _explain, _pay, _appeal):
        cli.add_command(command)


# -- policies --------------------------------------------------------------------------------------------------------


@click.command(
    "enrol",
    epilog=example("patient enrol ann.offer -o ann.enrolment", "patient enrol second.offer --with 3f9a2c -o two.enrol"),
)
@click.argument("offer", type=click.Path(exists=True, dir_okay=False))
@_OUT
@click.option(
    "--with",
    "beside",
    default=None,
    help="A plan you are enrolled in: this policy is under the same pseudonym, so that it pays what that one left.",
)
@payer_option
@_WHO
@network_options
@yes_option
def _enrol(
    offer: str, out: str, beside: str | None, payer: str | None, who: str, network: str, store: str | None, yes: bool
) -> None:
    """Look at an insurer's OFFER and sign it, under a pseudonym of its own; hand the file back to the insurer.

    The offer is kept in your folder. It tells the services of the plan: keep it to yourself and to those who treat you.
    """
    from scripts._covering import check_new, read, write_paper
    from scripts._patient_cover import insured, told_of_offer
    from theriac.cover.papers import Offer

    check_new(out)
    paper = Offer.decode(read(offer))
    with insured(who, network=network, store=store, payer=payer) as found:
        terms = found.check_offer(paper)
        earlier = found.named(beside) if beside else None
        for sentence in told_of_offer(paper, terms):
            click.echo(sentence)
        if found.enrolled(paper, earlier):
            click.echo("You are enrolled already; the offer is kept, and nothing was signed.")
            return
        if earlier is not None:
            click.echo(
                f"It is under the pseudonym of {earlier.title}: both insurers, and everybody who looks at the chain, "
                "see that the two policies are one person's."
            )
        confirmed("Sign this?", yes=yes)
        write_paper(out, found.enrol(paper, earlier).encode())
    click.echo(f"Signed: {out} is for the insurer, within 30 days. Run 'patient watch' to back this pseudonym up.")


@click.command("policies", epilog=example("patient policies", "patient policies --json"))
@_WHO
@network_options
@json_option
def _policies(who: str, network: str, store: str | None, as_json: bool) -> None:
    """List your policies: plan, days, whether they stand, and what of their limits is used."""
    from scripts._patient_cover import insured

    with insured(who, network=network, store=store) as found:
        rows = [found.row(kept) for kept in found.policies]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (
                row["plan"][:16],
                row["name"],
                row["insurer"],
                f"{row['first']} to {row['last']}",
                row["stands"],
                *(_of(row[each]) for each in ("deductible", "out_of_pocket", "paid")),
            )
            for row in rows
        ],
        *("plan", "name", "insurer", "days", "stands", "deductible", "out of pocket", "paid"),
        empty="No policy is kept here; 'enrol' signs an insurer's offer.",
    )


def _of(used: dict[str, Any]) -> str:
    return f"{used['used']} of {used['of']}" if used["of"] else str(used["used"])


@click.command("card", epilog=example("patient card 3f9a2c -o ann.card"))
@_PLAN
@_OUT
@_WHO
@network_options
def _card(plan: str, out: str, who: str, network: str, store: str | None) -> None:
    """Write the card of a PLAN, for a clinic or a pharmacy that is to claim under it.

    Whoever has the card can tell the services of every claim of that policy year. It lets nobody claim without your
    consent.
    """
    from scripts._covering import check_new, write_paper
    from scripts._patient_cover import insured

    check_new(out)
    with insured(who, network=network, store=store) as found:
        kept = found.named(plan)
        write_paper(out, found.card(kept).encode())
    click.echo(f"Wrote {out}: the card of {kept.title}. Give it to those who treat you, and to nobody else.")


@click.command("premium", epilog=example("patient premium 3f9a2c --periods 2", "patient premium 3f9a2c --account bank"))
@_PLAN
@click.option("--periods", type=click.IntRange(1, 366), default=1, show_default=True, help="For how many periods.")
@_ACCOUNT
@_WHO
@network_options
@yes_option
def _premium(
    plan: str, periods: int, account: str | None, who: str, network: str, store: str | None, yes: bool
) -> None:
    """Pay premiums of a PLAN. Everybody can see which account pays for which policy."""
    from scripts._cli import Failure
    from scripts._covering import day
    from scripts._patient_cover import insured

    with insured(who, network=network, store=store, account=account) as found:
        kept = found.named(plan)
        amount = found.cover.plan(kept.plan)["premium"] * periods
        if not amount:
            raise Failure(f"{kept.title} has no premium; nothing was paid.", 3)
        found.check_coins(kept, amount)
        confirmed(f"Pay {kept.money(amount)} from {found.account}?", yes=yes)
        found.cover.pay_premium(kept.plan, kept.pseudonym, periods)
        until = day(found.cover.policy(kept.plan, kept.pseudonym)["until"])
    click.echo(f"Paid {kept.money(amount)}; {kept.title} lasts until {until}.")


@click.command("end-policy", epilog=example("patient end-policy 3f9a2c"))
@_PLAN
@payer_option
@_WHO
@network_options
@yes_option
def _end_policy(plan: str, payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """End your policy of a PLAN now; what was covered stays covered. Nothing takes it back."""
    from scripts._patient_cover import insured

    with insured(who, network=network, store=store, payer=payer) as found:
        kept = found.named(plan)
        confirmed(f"End {kept.title} now? Nothing takes it back.", yes=yes)
        found.end(kept)
    click.echo(f"{kept.title} is ended.")


# -- consent ---------------------------------------------------------------------------------------------------------


@click.command(
    "consent", epilog=example("patient consent visit.request -o visit.consent", "patient consent a -o b --hours 2")
)
@click.argument("request", type=click.Path(exists=True, dir_okay=False))
@_OUT
@click.option(
    "--hours",
    type=click.IntRange(1, 24 * 366),
    default=None,
    help="For how long it counts; as was asked for unless said.",
)
@_WHO
@network_options
@yes_option
def _consent(request: str, out: str, hours: int | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """Look at what a clinic or a pharmacy wants to claim, and let it: line by line, as your own plan calls it."""
    from scripts._covering import check_new, read, told_of_quote, write_paper
    from scripts._patient_cover import insured
    from theriac.cover.papers import Request

    check_new(out)
    paper = Request.decode(read(request))
    with insured(who, network=network, store=store) as found:
        kept = found.asked(paper)
        _print_asked(found, kept, paper)
        click.echo(told_of_quote(found.quote(paper, kept), kept.money))
        confirmed(f"Let {printable(paper.provider)} claim this?", yes=yes)
        write_paper(out, found.consent(paper, kept, hours=hours).encode())
    click.echo(f"Signed: {out} is for {printable(paper.provider)}.")


def _print_asked(found: "Insured", kept: "Kept", paper: "Request") -> None:
    claim = paper.claim
    click.echo(f"{printable(paper.provider)} (member {claim.provider}) claims under {kept.title}:")
    table(
        [
            (number, said.display, said.code, said.day or "when it is given", line.units, kept.money(line.charged))
            for number, (said, line) in enumerate(zip(paper.words, claim.lines, strict=True), start=1)
        ],
        *("line", "service", "code", "day", "units", "charged"),
        empty="",
    )
    if any(claim.primary):
        click.echo(f"It is for what claim {claim.primary.hex()[:16]} left.")
    click.echo(f"In all {kept.money(sum(line.charged for line in claim.lines))}.")


# -- claims ----------------------------------------------------------------------------------------------------------


@click.command("claims", epilog=example("patient claims", "patient claims --json"))
@_WHO
@network_options
@json_option
def _claims(who: str, network: str, store: str | None, as_json: bool) -> None:
    """What became of each claim under your policies, why, and what you owe."""
    from decimal import Decimal

    from scripts._patient_cover import insured

    with insured(who, network=network, store=store) as found:
        rows = [found.claim_row(*each) for each in found.claims()]
        rows += [found.waiting_row(*each) for each in found.waiting()]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (
                row["claim"][:16],
                row["day"],
                row["name"],
                "; ".join(each["display"] for each in row["services"]),
                row["standing"],
                *(row[each] for each in ("charged", "paid", "share")),
                " ".join(row["why"]),
            )
            for row in rows
        ],
        *("claim", "day", "provider", "for", "standing", "charged", "paid", "you owe", "why"),
        empty="Nothing was claimed under your policies.",
    )
    owed: dict[str, Decimal] = {}
    for row in rows:
        owed[row["currency"]] = owed.get(row["currency"], Decimal()) + Decimal(row["share"])
    for currency, amount in owed.items():
        click.echo(f"In all you owe {amount} {currency}.")


@click.command("explain", epilog=example("patient explain 7be1 -o eob.json"))
@_CLAIM
@_OUT
@_WHO
@network_options
def _explain(claim: str, out: str, who: str, network: str, store: str | None) -> None:
    """Write the FHIR ExplanationOfBenefit of a CLAIM: what was claimed, allowed and paid, and every reason."""
    from scripts._covering import write_paper
    from scripts._patient_cover import insured

    check_out(out)
    with insured(who, network=network, store=store) as found:
        write_paper(out, found.explain(*found.claim(claim)))
    click.echo(f"Wrote {out}.")


@click.command("pay", epilog=example("patient pay 7be1 --account TEST::8", "patient pay 7be1 -o receipt.json"))
@_CLAIM
@_ACCOUNT
@click.option("-o", "--out", default=None, type=click.Path(dir_okay=False), help="Write the receipt as JSON, too.")
@_WHO
@network_options
@yes_option
def _pay(
    claim: str, account: str | None, out: str | None, who: str, network: str, store: str | None, yes: bool
) -> None:
    """Pay what you owe of a CLAIM, once, from your account or somebody else's.

    Everybody can see which account pays for which policy; use one that does not tell who you are.
    """
    import json

    from scripts._covering import told_of
    from scripts._patient_cover import insured

    if out is not None:
        check_out(out)
    with insured(who, network=network, store=store, account=account) as found:
        kept, claimed = found.claim(claim)
        amount = kept.money(found.due(kept, claimed))
        click.echo(told_of(claimed, kept.money))
        confirmed(f"Pay {amount} to {found.name_of(claimed.state.provider)} from {found.account}?", yes=yes)
        receipt = found.pay(kept, claimed)
    if out is not None:
        write_file(out, json.dumps(receipt, indent=2).encode() + b"\n")
    click.echo(
        f"Receipt: {receipt['amount']} {receipt['currency']} to {receipt['name']} for claim {receipt['claim'][:16]}, "
        f"from {receipt['payer']} on {receipt['day']}, transaction {receipt['transaction']}."
    )


@click.command("appeal", epilog=example('patient appeal 7be1 --why "It was an emergency"'))
@_CLAIM
@click.option("--why", required=True, help="What the insurer and the plan's arbiter read. It is sealed to them.")
@payer_option
@_WHO
@network_options
def _appeal(claim: str, why: str, payer: str | None, who: str, network: str, store: str | None) -> None:
    """Appeal against the decision on a CLAIM. Another account of the insurer's than reviewed it answers."""
    from scripts._patient_cover import insured

    with insured(who, network=network, store=store, payer=payer) as found:
        kept, claimed = found.claim(claim)
        found.appeal(kept, claimed, why)
    click.echo(f"Appealed against the decision on claim {claimed.id.hex()[:16]}.")
