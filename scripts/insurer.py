"""`ape run insurer`: publishes plans, enrols, keeps the escrow, reviews, answers appeals, refutes, reports."""

from typing import Any

import click

from scripts._beginning import add_beginnings
from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    confirmed,
    example,
    json_option,
    network_options,
    print_json,
    printable,
    table,
    yes_option,
)


@click.group(
    cls=Actor,
    epilog=example(
        'insurer setup --account TEST::7 --name "Harbour Insurance"',
        "insurer validate examples/plan.yaml",
        "insurer publish examples/plan.yaml --token 0x5fb...aa3 --arbiter 5",
        "insurer claims --pended",
    ),
)
def cli() -> None:
    """Publish plans, enrol patients, keep a plan's escrow, decide what rules leave open, report."""


_WHO = as_option("insurer")
_ACCOUNT = account_option("Who acts for the insurer")
_PLAN = click.argument("plan")
_CLAIM = click.argument("claim")

add_beginnings(cli, "insurer", name="Harbour Insurance", roles="insurer", meets="patients and providers")


# -- plans -----------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("insurer validate examples/plan.yaml"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@json_option
def validate(file: str, as_json: bool) -> None:
    """Check a plan's FILE without a chain: how many services share what the chain shows, and what tells too much.

    Exit code 2 where the plan must not be published.
    """
    from scripts._covering import read
    from theriac.cover import policies

    report = policies.validate(policies.parse(read(file)))
    if as_json:
        print_json({"refusals": report.refusals, "warnings": report.warnings, "groups": len(report.groups)})
    else:
        click.echo(str(report))
    report.check()


@cli.command(epilog=example("insurer publish examples/plan.yaml --token 0x5fb...aa3 --arbiter 5"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--token", required=True, help="The address of the ERC-20 that the plan pays in, of at most 6 decimals.")
@click.option("--arbiter", required=True, type=click.IntRange(1, (1 << 32) - 1), help="The member that rules disputes.")
@_WHO
@_ACCOUNT
@network_options
@yes_option
def publish(
    file: str, token: str, arbiter: int, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    """Publish a plan: its FILE is put into the store, its terms onto the chain. It is never changed after that.

    Services get salted numbers under a secret that is new for each plan. It stays in this folder, in the schedule that
    offers carry: back it up.
    """
    from eth_utils.address import is_address, to_checksum_address

    from scripts._covering import read
    from scripts._insuring import house_of

    if not is_address(token):
        raise Failure(f"{token[:60]!r} is no address of a token.")
    data = read(file)
    with house_of(who, network=network, store=store, account=account) as house:
        confirmed("Publish this plan? It cannot be changed.", yes=yes)
        plan, terms, is_new = house.publish(data, token=to_checksum_address(token), arbiter=arbiter)
    said = "Published" if is_new else "It was published before:"
    click.echo(f"{said} {terms.name} {terms.year} as plan {plan.hex()}.")


@cli.command(epilog=example("insurer plans"))
@_WHO
@_ACCOUNT
@network_options
@json_option
def plans(who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    """List this insurer's plans with what is in their escrows."""
    from scripts._insuring import house_of

    rows: list[dict[str, Any]] = []
    with house_of(who, network=network, store=store, account=account) as house:
        for plan in house.plans():
            schedule, money = house.schedule(plan), house.money(plan)
            enrolled = list(house.cover.index.events("Policies", "Enrolled", where={"plan": plan}))
            rows.append(
                {
                    "plan": plan.hex(),
                    "name": schedule.name,
                    "year": schedule.year,
                    "policies": len(enrolled),
                    "claims": len(list(house.cover.index.events("Claims", "Submitted", where={"plan": plan}))),
                    "escrow": money(house.cover.balance(plan)),
                }
            )
    if as_json:
        print_json(rows)
        return
    table(
        [(row["plan"][:16], row["name"], row["year"], row["policies"], row["claims"], row["escrow"]) for row in rows],
        *("plan", "name", "year", "policies", "claims", "escrow"),
        empty="No plan was published yet.",
    )


@cli.command("close-plan", epilog=example("insurer close-plan 3f9a2c"))
@_PLAN
@_WHO
@_ACCOUNT
@network_options
@yes_option
def close_plan(plan: str, who: str, account: str | None, network: str, store: str | None, yes: bool) -> None:
    """Take nobody into a PLAN any more; its policies go on."""
    from scripts._insuring import house_of

    with house_of(who, network=network, store=store, account=account) as house:
        number = house.named(plan)
        confirmed(f"Close {house.schedule(number).name}? Nothing opens it again.", yes=yes)
        house.cover.send("Policies", "close", number)
    click.echo("Closed.")


# -- money -----------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("insurer fund 3f9a2c 50000"))
@_PLAN
@click.argument("amount")
@_WHO
@_ACCOUNT
@network_options
def fund(plan: str, amount: str, who: str, account: str | None, network: str, store: str | None) -> None:
    """Put AMOUNT of the plan's token, as people write it, into a PLAN's escrow, from the account."""
    from scripts._insuring import house_of

    with house_of(who, network=network, store=store, account=account) as house:
        number = house.named(plan)
        money = house.money(number)
        many, token = money.whole(amount), house.cover.plan(number)["token"]
        has = house.cover.coins(token, house.desk.address)
        if has < many:
            raise Failure(f"The account has {money(has)}, less than {money(many)}.", 3)
        house.cover.deposit(number, many)
        left = money(house.cover.balance(number))
    click.echo(f"The escrow has {left} now.")


@cli.command(epilog=example("insurer drain 3f9a2c 1000 --to TEST::7"))
@_PLAN
@click.argument("amount")
@click.option("--to", required=True, help="Who gets it: an address or an account of Ape.")
@_WHO
@_ACCOUNT
@network_options
@yes_option
def drain(
    plan: str, amount: str, to: str, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    """Take AMOUNT out of a PLAN's escrow. Claims that it cannot pay then are pended."""
    from scripts._accounts import address_of
    from scripts._insuring import house_of

    with house_of(who, network=network, store=store, account=account) as house:
        number = house.named(plan)
        money = house.money(number)
        many, target = money.whole(amount), address_of(to, play=house.desk.site.play)
        confirmed(f"Take {money(many)} out of the escrow to {target}?", yes=yes)
        house.cover.send("Escrow", "drain", number, many, target)
        left = money(house.cover.balance(number))
    click.echo(f"The escrow has {left} now.")


@cli.command("play-money", epilog=example("insurer play-money TEST::5 100000"))
@click.argument("to")
@click.argument("amount")
@_ACCOUNT
@network_options
def play_money(to: str, amount: str, account: str | None, network: str, store: str | None) -> None:
    """Mint AMOUNT of play money for an account, where nothing lasts; it prints the token that a plan can pay in."""
    from scripts._accounts import address_of
    from scripts._insuring import play_money as minted
    from scripts._site import connected

    with connected(network, store) as site:
        token, has = minted(site, site.alias(account), address_of(to, play=site.play), amount)
    click.echo(f"{to} has {has} of the token {token}.")


# -- policies --------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("insurer offer 3f9a2c --from 2031-01-01 --until 2031-12-31 -o ann.offer"))
@_PLAN
@click.option("--from", "first", required=True, help="The first day that is covered.")
@click.option("--until", "last", required=True, help="The last day that is covered.")
@click.option("--family", default=None, help="A name for a family whose limits are shared; it stays in this folder.")
@click.option(
    "--lifetime", default="0", show_default=True, help="What was paid for this person under earlier policies."
)
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
@_WHO
@_ACCOUNT
@network_options
def offer(
    plan: str,
    first: str,
    last: str,
    family: str | None,
    lifetime: str,
    out: str,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
) -> None:
    """Write an offer of a PLAN for one person and one policy year; hand it to her alone.

    On the chain days are counted from an origin that is drawn here. Whoever knows on which day such a policy begins can
    tell the days of its services: bring enrolments to the chain some days before or after.
    """
    from scripts._covering import check_new, day_of, write_paper
    from scripts._insuring import house_of

    check_new(out)
    days = day_of(first), day_of(last)
    with house_of(who, network=network, store=store, account=account) as house:
        number = house.named(plan)
        before = house.money(number).whole(lifetime)
        made = house.offer(number, first=days[0], last=days[1], family=family, lifetime=before)
        write_paper(out, made.encode())
    click.echo(f"Wrote {out}: {made.schedule.name}, {first} to {last}.")


@cli.command(epilog=example("insurer enrol ann.enrolment"))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@_WHO
@_ACCOUNT
@network_options
def enrol(files: tuple[str, ...], who: str, account: str | None, network: str, store: str | None) -> None:
    """Sign what patients signed, and bring it to the chain."""
    from scripts._covering import read
    from scripts._insuring import house_of
    from theriac.cover.papers import Enrolment

    papers = [Enrolment.decode(read(file)) for file in files]
    with house_of(who, network=network, store=store, account=account) as house:
        for paper in papers:
            terms = house.enrol(paper)
            click.echo(f"{terms.pseudonym} is enrolled in {house.schedule(terms.plan).name}.")


@cli.command(epilog=example("insurer policies 3f9a2c"))
@_PLAN
@_WHO
@_ACCOUNT
@network_options
@json_option
def policies(plan: str, who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    """List the policies of a PLAN with what was used of their limits."""
    from scripts._covering import day
    from scripts._insuring import house_of

    rows: list[dict[str, Any]] = []
    with house_of(who, network=network, store=store, account=account) as house:
        number = house.named(plan)
        money, now = house.money(number), house.cover.now()
        for event in house.cover.index.events("Policies", "Enrolled", where={"plan": number}):
            pseudonym = str(event.arguments["pseudonym"])
            policy = house.cover.policy(number, pseudonym)
            person, _ = house.cover.used(number, pseudonym)
            rows.append(
                {
                    "pseudonym": pseudonym,
                    "family": bool(policy["family"]),
                    "until": day(policy["until"]),
                    "stands": now < policy["until"],
                    "deductible": money(person.deductible),
                    "out of pocket": money(person.out_of_pocket),
                    "paid": money(person.paid),
                }
            )
    if as_json:
        print_json(rows)
        return
    table(
        [
            (
                row["pseudonym"],
                "yes" if row["family"] else "no",
                row["until"] if row["stands"] else f"lapsed {row['until']}",
                *(row[each] for each in ("deductible", "out of pocket", "paid")),
            )
            for row in rows
        ],
        *("pseudonym", "family", "until", "deductible used", "out of pocket", "paid"),
        empty="Nobody is enrolled.",
    )


@cli.command("end-policy", epilog=example("insurer end-policy 3f9a2c 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"))
@_PLAN
@click.argument("pseudonym")
@click.option("--reinstate", is_flag=True, help="Take a policy up again that lapsed beyond its grace, instead.")
@_WHO
@_ACCOUNT
@network_options
@yes_option
def end_policy(
    plan: str,
    pseudonym: str,
    reinstate: bool,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """End the policy of a PSEUDONYM from now on; what was covered stays covered."""
    from eth_utils.address import is_address, to_checksum_address

    from scripts._insuring import house_of

    if not is_address(pseudonym):
        raise Failure(f"{pseudonym[:60]!r} is no pseudonym; 'policies' lists them.")
    with house_of(who, network=network, store=store, account=account) as house:
        number = house.named(plan)
        confirmed("Take this policy up again?" if reinstate else "End this policy now?", yes=yes)
        act = "reinstate" if reinstate else "endPolicy"
        house.cover.send("Policies", act, number, to_checksum_address(pseudonym))
    click.echo("Reinstated." if reinstate else "Ended.")


# -- claims ----------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("insurer claims", "insurer claims --pended --json"))
@click.option("--plan", default=None, help="Only those on this plan.")
@click.option("--pended", is_flag=True, help="Only those that wait for something.")
@_WHO
@_ACCOUNT
@network_options
@json_option
def claims(
    plan: str | None, pended: bool, who: str, account: str | None, network: str, store: str | None, as_json: bool
) -> None:
    """List the claims on this insurer's plans, with what was decided and why."""
    from scripts._covering import HEADS, columns_of, rows_of
    from scripts._insuring import house_of

    with house_of(who, network=network, store=store, account=account) as house:
        found = house.claims(house.named(plan) if plan else None)
        rows = rows_of(found, lambda each: house.money(each.claim.plan), pended=pended)
    if as_json:
        print_json(rows)
        return
    table(columns_of(rows), *HEADS, empty="No claim waits." if pended else "No claim was made yet.")


@cli.command("open", epilog=example("insurer open 7be1"))
@_CLAIM
@_WHO
@_ACCOUNT
@network_options
def open_(claim: str, who: str, account: str | None, network: str, store: str | None) -> None:
    """Print what the provider of a CLAIM sealed for this insurer: what was done or dispensed, as JSON."""
    from scripts._insuring import house_of

    with house_of(who, network=network, store=store, account=account) as house:
        print_json(house.opening(house.claim(claim)))


@cli.command(epilog=example("insurer review 7be1 --agree", "insurer review 7be1 --refuse"))
@_CLAIM
@click.option("--agree/--refuse", "agreed", required=True, default=None, help="What the reviewer finds.")
@_WHO
@_ACCOUNT
@network_options
def review(claim: str, agreed: bool, who: str, account: str | None, network: str, store: str | None) -> None:
    """Decide a pended CLAIM that the schedule leaves to a reviewer. Its appeal is for another account."""
    from scripts._covering import told_of
    from scripts._insuring import house_of

    with house_of(who, network=network, store=store, account=account) as house:
        decided = house.review(house.claim(claim), agreed=agreed)
        click.echo(told_of(decided, house.money(decided.claim.plan)))


@cli.command(epilog=example("insurer appeals"))
@_WHO
@_ACCOUNT
@network_options
@json_option
def appeals(who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    """List the appeals and refutations on this insurer's claims, with where they stand."""
    from scripts._covering import day
    from scripts._insuring import house_of
    from theriac.cover.appealing import AppealStatus, RefutationStatus, appeal_of, refutation_of

    rows: list[dict[str, Any]] = []
    with house_of(who, network=network, store=store, account=account) as house:
        for each in house.claims():
            appeal, refutation = appeal_of(house.cover, each.id), refutation_of(house.cover, each.id)
            if appeal.status is not AppealStatus.NONE:
                rows.append(
                    {"claim": each.id.hex(), "what": "appeal", "stands": appeal.status.word, "since": day(appeal.time)}
                )
            if refutation.status is not RefutationStatus.NONE:
                word, since = refutation.status.word, day(refutation.time)
                rows.append({"claim": each.id.hex(), "what": "refutation", "stands": word, "since": since})
    if as_json:
        print_json(rows)
        return
    table(
        [(row["claim"][:16], row["what"], row["stands"], row["since"]) for row in rows],
        *("claim", "what", "stands", "since"),
        empty="Nothing was appealed or refuted.",
    )


@cli.command(
    epilog=example("insurer answer 7be1 --grant --waive unauthorized", 'insurer answer 7be1 --dismiss --why "Not new"')
)
@_CLAIM
@click.option("--grant/--dismiss", "granted", required=True, default=None, help="Whether the claim is decided anew.")
@click.option("--waive", multiple=True, help="A reason that is set aside; all of the claim's that can be unless said.")
@click.option("--why", default="", help="Told to who appealed; sealed.")
@_WHO
@_ACCOUNT
@network_options
def answer(
    claim: str,
    granted: bool,
    waive: tuple[str, ...],
    why: str,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
) -> None:
    """Answer the appeal on a CLAIM, by another account than reviewed it. Granted, it is decided anew and paid."""
    from scripts._covering import told_of
    from scripts._insuring import house_of, waivers_of
    from theriac.cover.rules import NO_REASON

    with house_of(who, network=network, store=store, account=account) as house:
        found = house.claim(claim)
        waived = waivers_of(waive, found) if granted else NO_REASON
        document = house.told(found.state.provider, {"claim": found.id.hex(), "granted": granted, "why": why})
        decided = house.answer(found, waived=waived, granted=granted, document=document)
        told = told_of(decided, house.money(decided.claim.plan))
    click.echo(f"Granted. {told}" if granted else "Dismissed; the plan's arbiter may be asked.")


@cli.command(epilog=example('insurer refute 7be1 --ground 1 --why "The pack is not what was prescribed"'))
@_CLAIM
@click.option(
    "--ground",
    type=click.IntRange(1, 3),
    required=True,
    help="1 the pack is not what was prescribed, 2 what was sealed does not open, 3 it was never done.",
)
@click.option("--why", required=True, help="What the arbiter reads, beside what the provider sealed.")
@_WHO
@_ACCOUNT
@network_options
@yes_option
def refute(
    claim: str, ground: int, why: str, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    """Refute a CLAIM that was paid: the amount is withheld from the provider until the plan's arbiter has ruled.

    Nothing is opened on the chain: what the provider sealed and why it is wrong are sealed to the arbiter.
    """
    from scripts._insuring import house_of

    with house_of(who, network=network, store=store, account=account) as house:
        found = house.claim(claim)
        confirmed(f"Refute claim {found.id.hex()[:16]}?", yes=yes)
        house.refute(found, ground=ground, why=why)
    click.echo("Refuted; the plan's arbiter rules.")


# -- authorizations --------------------------------------------------------------------------------------------------


@cli.command(epilog=example("insurer authorizations"))
@_WHO
@_ACCOUNT
@network_options
@json_option
def authorizations(who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    """List what providers asked to be authorized before it is done."""
    from scripts._insuring import house_of
    from theriac.cover.appealing import AUTHORIZATIONS, authorization_of

    rows: list[dict[str, Any]] = []
    with house_of(who, network=network, store=store, account=account) as house:
        for plan in house.plans():
            for event in house.cover.index.events("Authorizations", "Requested", where={"plan": plan}):
                number = bytes(event.arguments["authorization"])
                told = authorization_of(house.cover, number)
                rows.append(
                    {
                        "authorization": number.hex(),
                        "pseudonym": event.arguments["pseudonym"],
                        "provider": told["provider"],
                        "units": told["units"],
                        "stands": AUTHORIZATIONS[told["status"]],
                    }
                )
    if as_json:
        print_json(rows)
        return
    table(
        [
            (row["authorization"], row["pseudonym"], f"member {row['provider']}", row["units"], row["stands"])
            for row in rows
        ],
        *("authorization", "pseudonym", "asked by", "units", "stands"),
        empty="Nobody has asked yet.",
    )


@cli.command(
    epilog=example(
        "insurer authorize 9c0f...21 --units 1 --until 2031-06-30", "insurer authorize 9c0f...21 --refuse --why no"
    )
)
@click.argument("authorization")
@click.option("--units", type=click.IntRange(1, 65535), default=None, help="How many are allowed.")
@click.option("--amount", default="0", help="The most for the line, as people write it; 0 for no such limit.")
@click.option("--until", default=None, help="The last day on which it counts.")
@click.option("--refuse", is_flag=True)
@click.option("--pend", is_flag=True, help="Say that something is missing.")
@click.option("--why", default="", help="Told to who asked; sealed.")
@_WHO
@_ACCOUNT
@network_options
def authorize(
    authorization: str,
    units: int | None,
    amount: str,
    until: str | None,
    refuse: bool,
    pend: bool,
    why: str,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
) -> None:
    """Allow, pend or refuse an AUTHORIZATION that a provider asked for. It can be used once."""
    from scripts._covering import day_of
    from scripts._insuring import house_of
    from scripts._prescribing import numbered
    from theriac.cover.appealing import authorization_of

    number = numbered(authorization)
    with house_of(who, network=network, store=store, account=account) as house:
        plan = next(
            (
                bytes(event.arguments["plan"])
                for event in house.cover.index.events("Authorizations", "Requested", where={"authorization": number})
            ),
            None,
        )
        if plan is None:
            raise Failure("Nobody asked for this authorization; 'authorizations' lists them.")
        if refuse or pend:
            provider = int(authorization_of(house.cover, number)["provider"])
            document = house.told(provider, {"authorization": number.hex(), "why": why})
            house.cover.send("Authorizations", "refuse" if refuse else "pend", number, document)
            click.echo("Refused." if refuse else "Pended.")
            return
        if units is None or until is None:
            raise Failure("Say with --units how many are allowed, and with --until the last day.")
        ends = house.midnight_after(day_of(until))
        house.cover.send("Authorizations", "approve", number, units, house.money(plan).whole(amount), ends)
    click.echo(f"Allowed: {units} until {until}.")


# -- report ----------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("insurer report 3f9a2c --chart report.svg", "insurer report 3f9a2c --people people.csv"))
@_PLAN
@click.option("--chart", "picture", default=None, type=click.Path(dir_okay=False), help="A picture to write (.svg).")
@click.option(
    "--people",
    default=None,
    type=click.Path(exists=True, dir_okay=False),
    help="A CSV with the columns pseudonym, person and, where known, member and died: what the chain cannot know.",
)
@_WHO
@_ACCOUNT
@network_options
@json_option
def report(
    plan: str,
    picture: str | None,
    people: str | None,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Print a PLAN's year: loss ratio, why lines were denied, and what only the insurer's own data tell."""
    from scripts._cli import check_out, write_file
    from scripts._insuring import chart, house_of, people_in, report_of

    if picture is not None:
        check_out(picture)
    known = people_in(people) if people else []
    with house_of(who, network=network, store=store, account=account) as house:
        number = house.named(plan)
        money = house.money(number)
        found = report_of(house, number, known)
    if picture is not None:
        write_file(picture, chart(found, money))
    ratio = "no premiums" if found.loss_ratio is None else f"{found.loss_ratio:.3f}"
    figures = {
        "claims": found.claims,
        "premiums": money(found.premiums),
        "charged": money(found.charged),
        "allowed": money(found.allowed),
        "paid": money(found.paid),
        "patients' part": money(found.shares),
        "loss ratio": ratio,
        "escrow": money(found.escrow),
    }
    if as_json:
        reasons = {(reason.name or "").lower(): count for reason, count in found.denials.items()}
        print_json({**figures, "standings": found.standings, "reasons": reasons, "flags": found.flags})
        return
    table(list(figures.items()), "figure", "", empty="")
    click.echo()
    table(
        [
            (f"CARC {reason.carc}", printable(reason.sentence), count)
            for reason, count in sorted(found.denials.items(), key=lambda each: -each[1])
        ],
        *("code", "denied or limited", "lines"),
        empty="No line was denied or limited.",
    )
    for flag in found.flags:
        click.echo(f"Found in the insurer's own data: {printable(flag)}.")
