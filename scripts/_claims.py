"""A provider's commands about cover: claim, submit, and what comes after a decision.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from typing import TYPE_CHECKING

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    check_out,
    confirmed,
    example,
    json_option,
    network_options,
    print_json,
    table,
    yes_option,
)

if TYPE_CHECKING:
    from scripts._claiming import Provider
    from theriac.cover.papers import Request

_CARD = click.argument("card", type=click.Path(exists=True, dir_okay=False))
_CLAIM = click.argument("claim")
_OUT = click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
_HOURS = click.option(
    "--hours",
    type=click.IntRange(1, 24 * 366),
    default=24,
    show_default=True,
    help="How long the patient's consent is asked for.",
)
_ACCOUNT = account_option("Who signs")
_LEAST = click.option("--least", default="0", help="Below this amount nothing is done, unless the claim pends.")


def add_claims(cli: Actor, who: str, *, resumes: bool = True) -> None:
    """Adds what a clinic and a pharmacy do alike; `who` is the actor's word and its folder unless `--as` says another.

    `resumes` is for an actor that has no `resume` of its own, which takes a claim.
    """
    _add_submitting(cli, who)
    _add_looking(cli, who)
    if resumes:
        _add_resume(cli, who)
    _add_undoing(cli, who)
    _add_money(cli, who)


def resumed(claim: str, *, who: str, account: str | None, network: str, store: str | None) -> None:
    """Decides a pended claim again, and says what it came to."""
    from scripts._claiming import provider_of
    from scripts._covering import told_of

    with provider_of(who, network=network, store=store, account=account) as provider:
        found = provider.resume(provider.claim(claim))
        click.echo(told_of(found, provider.money(found.claim)))


# -- claiming for services -------------------------------------------------------------------------------------------


def add_services(cli: Actor, who: str = "clinic") -> None:
    """Adds `claim` for services, and what has to be authorized before."""
    _add_claim(cli, who)
    _add_authorizations(cli, who)


def _add_claim(cli: Actor, who_: str) -> None:
    @cli.command(
        "claim",
        epilog=example(
            f"{who_} claim ann.card claim.json -o visit.request",
            f"{who_} claim ann.card claim.json --encounter visit.json --authorization 9c0f -o visit.request",
        ),
    )
    @_CARD
    @click.argument("file", type=click.Path(exists=True, dir_okay=False))
    @click.option(
        "--encounter", default=None, type=click.Path(exists=True, dir_okay=False), help="The FHIR Encounter it is of."
    )
    @click.option(
        "--authorization", "numbers", multiple=True, help="For a line that had to be authorized; more than one."
    )
    @_OUT
    @_HOURS
    @as_option(who_)
    @_ACCOUNT
    @network_options
    @json_option
    def claim(
        card: str,
        file: str,
        encounter: str | None,
        numbers: tuple[str, ...],
        out: str,
        hours: int,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        as_json: bool,
    ) -> None:
        """Turn a FHIR Claim into what the patient is asked to consent to, by the CARD that she showed.

        What was done is sealed to the insurer and to this desk, and anchored under the card's pseudonym: the evidence
        of the claim. Run again with the same files nothing is anchored anew, and the same request is written.
        """
        from scripts._claiming import provider_of
        from scripts._covering import check_new, read
        from theriac.cover.papers import Card

        check_new(out)
        paper = Card.decode(read(card))
        met = read(encounter) if encounter else None
        with provider_of(who, network=network, store=store, account=account) as provider:
            authorizations = [provider.authorization_named(each) for each in numbers]
            seconds = hours * 3600
            request = provider.services(paper, read(file), met, authorizations=authorizations, seconds=seconds)
            write_request(provider, request, out, as_json=as_json)


def write_request(provider: "Provider", request: "Request", out: str, *, as_json: bool) -> None:
    """Writes what the patient is asked for, and says what it would come to."""
    from scripts._covering import told_of_quote, why, write_paper
    from theriac.cover.policies import plain

    money, quote = provider.money(request.claim), provider.quote(request)
    write_paper(out, request.encode())
    if as_json:
        decision = quote.decision
        print_json(
            {
                "claim": request.claim.id.hex(),
                "evidence": request.claim.evidence.hex(),
                "paid": str(plain(decision.paid, money.decimals)),
                "share": str(plain(decision.share, money.decimals)),
                "why": why(decision.outcomes, quote.missing),
            }
        )
        return
    click.echo(told_of_quote(quote, money))
    click.echo(f"Wrote {out}; have the patient consent to it.")


def _add_authorizations(cli: Actor, who_: str) -> None:
    @cli.command("authorize", epilog=example(f"{who_} authorize ann.card 73761001 --units 1 --why reasons.txt"))
    @_CARD
    @click.argument("code")
    @click.option("--units", type=click.IntRange(1, 65535), default=1, show_default=True, help="How many units.")
    @click.option(
        "--why",
        required=True,
        type=click.Path(exists=True, dir_okay=False),
        help="A file that says why it is needed. It is sealed to the insurer.",
    )
    @as_option(who_)
    @_ACCOUNT
    @network_options
    def authorize(
        card: str, code: str, units: int, why: str, who: str, account: str | None, network: str, store: str | None
    ) -> None:
        """Ask the insurer to authorize a service, by its CODE or system|code, before it is done."""
        from scripts._claiming import provider_of
        from scripts._covering import read
        from theriac.cover.papers import Card

        paper = Card.decode(read(card))
        with provider_of(who, network=network, store=store, account=account) as provider:
            number = provider.authorize(paper, code, units=units, why=read(why))
        click.echo(f"Asked as {number.hex()}.")

    @cli.command("authorizations", epilog=example(f"{who_} authorizations", f"{who_} authorizations --json"))
    @as_option(who_)
    @_ACCOUNT
    @network_options
    @json_option
    def authorizations(who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
        """List what this desk asked insurers to authorize, and where it stands."""
        from scripts._claiming import provider_of

        with provider_of(who, network=network, store=store, account=account) as provider:
            rows = provider.authorizations()
        if as_json:
            print_json(rows)
            return
        table(
            [
                (row["authorization"][:16], row["service"] or "", row["units"], row["until"] or "", row["stands"])
                for row in rows
            ],
            *("authorization", "service", "units", "until", "stands"),
            empty="Nothing was asked for.",
        )

    @cli.command("complete-authorization", epilog=example(f"{who_} complete-authorization 9c0f --why more.txt"))
    @click.argument("authorization")
    @click.option(
        "--why", required=True, type=click.Path(exists=True, dir_okay=False), help="A file with what was missing."
    )
    @as_option(who_)
    @_ACCOUNT
    @network_options
    def complete_authorization(
        authorization: str, why: str, who: str, account: str | None, network: str, store: str | None
    ) -> None:
        """Bring what the insurer missed for an AUTHORIZATION that it pended."""
        from scripts._claiming import provider_of
        from scripts._covering import read

        with provider_of(who, network=network, store=store, account=account) as provider:
            provider.complete(provider.authorization_named(authorization), read(why))
        click.echo("Completed; the insurer decides.")


# -- claiming for goods ----------------------------------------------------------------------------------------------


def add_goods(cli: Actor, who: str = "pharmacy") -> None:
    """Adds `claim` for a line of a prescription, and what lets the contract dispense."""
    _add_goods_claim(cli, who)
    _add_let_claim(cli, who)


def _add_goods_claim(cli: Actor, who_: str) -> None:
    @cli.command(
        "claim",
        epilog=example(
            f"{who_} claim ann.card --prescription photo.jpg --charge 28.00 -o pack.request",
            f"{who_} claim ann.card --prescription - --line 2 --service 745679 --charge 28 -o pack.request",
        ),
    )
    @_CARD
    @click.option("--prescription", "code", required=True, help="The code, a picture of it, or - to scan it.")
    @click.option(
        "--line", "numbers", type=click.IntRange(1, 32), multiple=True, help="Which line, where there are several."
    )
    @click.option("--units", type=click.IntRange(1, 65535), default=1, show_default=True, help="How many are given.")
    @click.option("--charge", required=True, help="What all of them cost, such as 28.00.")
    @click.option(
        "--service", default=None, help="The plan's code for it, where the prescription has no code of the plan."
    )
    @click.option("--authorization", "authorized", default=None, help="Where the plan needs one.")
    @_OUT
    @_HOURS
    @as_option(who_)
    @_ACCOUNT
    @network_options
    @json_option
    def claim(
        card: str,
        code: str,
        numbers: tuple[int, ...],
        units: int,
        charge: str,
        service: str | None,
        authorized: str | None,
        out: str,
        hours: int,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        as_json: bool,
    ) -> None:
        """Make of a line of a prescription what the patient is asked to consent to, by the CARD that she showed.

        Nothing is dispensed yet, and nothing is on the chain: 'dispense --claim' does it all at once.
        """
        from scripts._covering import check_new, read
        from scripts._filling import asked_for_goods
        from scripts._handing import at_work
        from theriac.cover.papers import Card

        check_new(out)
        paper = Card.decode(read(card))
        with (
            at_work(who, network=network, store=store, account=account) as goods,
            asked_for_goods(
                goods,
                paper,
                code=code,
                numbers=numbers,
                units=units,
                charge=charge,
                service=service,
                authorization=authorized,
                seconds=hours * 3600,
            ) as (provider, request),
        ):
            write_request(provider, request, out, as_json=as_json)


def _add_let_claim(cli: Actor, who_: str) -> None:
    @cli.command("let-claim", epilog=example(f"{who_} let-claim", f"{who_} let-claim --no"))
    @click.option("--no", "forbids", is_flag=True, help="Take it back.")
    @as_option(who_)
    @account_option("The account that acts for the member")
    @network_options
    @yes_option
    def let_claim(forbids: bool, who: str, account: str | None, network: str, store: str | None, yes: bool) -> None:
        """Let the contract Claims dispense packs and fill lines for this pharmacy, when it submits a claim for them."""
        from scripts._claiming import provider_of
        from scripts._filling import let_claim as let

        with provider_of(who, network=network, store=store, account=account) as provider:
            provider.check_main()
            if not forbids:
                confirmed("Let Claims dispense and fill for this pharmacy, whenever it submits a claim?", yes=yes)
            let(provider, forbids=forbids)
        click.echo("Claims may do nothing for this pharmacy now." if forbids else "Claims may dispense and fill now.")


# -- both ------------------------------------------------------------------------------------------------------------


def _add_submitting(cli: Actor, who_: str) -> None:
    @cli.command("submit", epilog=example(f"{who_} submit visit.request visit.consent --least 60.00"))
    @click.argument("request", type=click.Path(exists=True, dir_okay=False))
    @click.argument("consent", type=click.Path(exists=True, dir_okay=False))
    @_LEAST
    @as_option(who_)
    @_ACCOUNT
    @network_options
    @json_option
    def submit(
        request: str,
        consent: str,
        least: str,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        as_json: bool,
    ) -> None:
        """Submit a claim that the patient consented to: it is decided and paid at once, denied with a code, or pended.

        A claim that was submitted already is only told of.
        """
        from scripts._claiming import provider_of
        from scripts._covering import row_of, told_of

        with provider_of(who, network=network, store=store, account=account) as provider:
            claim, signature = provider.consented(request, consent)
            money = provider.money(claim)
            found = provider.submit(claim, signature, least=money.whole(least))
        if as_json:
            print_json(row_of(found, money))
            return
        click.echo(told_of(found, money))

    @cli.command("coordinate", epilog=example(f"{who_} coordinate second.card 7be1 -o second.request"))
    @_CARD
    @_CLAIM
    @_OUT
    @_HOURS
    @as_option(who_)
    @_ACCOUNT
    @network_options
    @json_option
    def coordinate(
        card: str,
        claim: str,
        out: str,
        hours: int,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        as_json: bool,
    ) -> None:
        """Make of a CLAIM that a first insurer decided one to a second, by the CARD of that policy; then 'submit' it.

        It pays no more than the patient owes still.
        """
        from scripts._claiming import provider_of
        from scripts._covering import check_new, read
        from theriac.cover.papers import Card

        check_new(out)
        paper = Card.decode(read(card))
        with provider_of(who, network=network, store=store, account=account) as provider:
            request = provider.after(paper, provider.claim(claim), seconds=hours * 3600)
            write_request(provider, request, out, as_json=as_json)


def _add_looking(cli: Actor, who_: str) -> None:
    @cli.command("claims", epilog=example(f"{who_} claims", f"{who_} claims --pended --json"))
    @click.option("--pended", is_flag=True, help="Only those that wait for something.")
    @as_option(who_)
    @_ACCOUNT
    @network_options
    @json_option
    def claims(pended: bool, who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
        """List what was claimed here, with what was decided and why."""
        from scripts._claiming import provider_of
        from scripts._covering import HEADS, columns_of, rows_of

        with provider_of(who, network=network, store=store, account=account) as provider:
            rows = rows_of(provider.claims(), lambda each: provider.money(each.claim), pended=pended)
        if as_json:
            print_json(rows)
            return
        table(columns_of(rows), *HEADS, empty="No claim waits." if pended else "Nothing was claimed here.")

    @cli.command("remittance", epilog=example(f"{who_} remittance 7be1 -o eob.json"))
    @_CLAIM
    @_OUT
    @as_option(who_)
    @_ACCOUNT
    @network_options
    def remittance(claim: str, out: str, who: str, account: str | None, network: str, store: str | None) -> None:
        """Write the FHIR ExplanationOfBenefit of a CLAIM: what was allowed and paid of each line, and every reason."""
        from scripts._claiming import provider_of
        from scripts._covering import write_paper

        check_out(out)
        with provider_of(who, network=network, store=store, account=account) as provider:
            write_paper(out, provider.remittance(provider.claim(claim)))
        click.echo(f"Wrote {out}.")


def _add_resume(cli: Actor, who_: str) -> None:
    @cli.command("resume", epilog=example(f"{who_} resume 7be1"))
    @_CLAIM
    @as_option(who_)
    @_ACCOUNT
    @network_options
    def resume(claim: str, who: str, account: str | None, network: str, store: str | None) -> None:
        """Have a pended CLAIM decided, once what it waited for is there."""
        resumed(claim, who=who, account=account, network=network, store=store)


def _add_undoing(cli: Actor, who_: str) -> None:
    is_pharmacy = who_ == "pharmacy"

    @cli.command(
        "reverse",
        help="Reverse a CLAIM and give back what was paid for it, the patient's share too. Nothing takes it back."
        + ("\n\nThe pack comes into stock again and its line can be filled again." if is_pharmacy else ""),
        epilog=example(f"{who_} reverse 7be1"),
    )
    @_CLAIM
    @click.option(
        "--keep-goods", is_flag=True, hidden=not is_pharmacy, help="The pack stays dispensed and the line filled."
    )
    @as_option(who_)
    @_ACCOUNT
    @network_options
    @yes_option
    def reverse(
        claim: str, keep_goods: bool, who: str, account: str | None, network: str, store: str | None, yes: bool
    ) -> None:
        from scripts._claiming import provider_of
        from scripts._filling import provider_with_goods

        open_ = provider_with_goods if is_pharmacy else provider_of
        with open_(who, network=network, store=store, account=account) as provider:
            found = provider.claim(claim)
            money = provider.money(found.claim)
            confirmed(f"Reverse claim {found.id.hex()[:16]} and give back {money(found.state.paid)}?", yes=yes)
            provider.reverse(found, keep_goods=keep_goods)
        again = found.is_goods and not keep_goods
        click.echo(f"Reversed claim {found.id.hex()[:16]}{'; the pack is in stock again' if again else ''}.")

    @cli.command("appeal", epilog=example(f'{who_} appeal 7be1 --why "The authorization is enclosed"'))
    @_CLAIM
    @click.option("--why", required=True, help="What the insurer and the plan's arbiter read. It is sealed to them.")
    @as_option(who_)
    @_ACCOUNT
    @network_options
    def appeal(claim: str, why: str, who: str, account: str | None, network: str, store: str | None) -> None:
        """Appeal against the decision on a CLAIM. Another account of the insurer's than reviewed it answers."""
        from scripts._claiming import provider_of

        with provider_of(who, network=network, store=store, account=account) as provider:
            found = provider.claim(claim)
            provider.appeal(found, why)
        click.echo(f"Appealed against the decision on claim {found.id.hex()[:16]}.")


def _add_money(cli: Actor, who_: str) -> None:
    @cli.command(
        "payout", epilog=example(f"{who_} payout", f"{who_} payout --push", f"{who_} payout --pull --to 0x7099...")
    )
    @click.option("--push/--pull", "push", default=None, help="Sent at once, or credited and withdrawn.")
    @click.option(
        "--to", default=None, help="The account that is paid: an address or one of Ape; the member's unless said."
    )
    @as_option(who_)
    @account_option("The account that acts for the member")
    @network_options
    def payout(
        push: bool | None, to: str | None, who: str, account: str | None, network: str, store: str | None
    ) -> None:
        """Say where this member wants its money; without --push or --pull, show where it goes."""
        from scripts._accounts import address_of
        from scripts._claiming import provider_of

        if push is None and to is not None:
            raise Failure("Say with --push or --pull how the account is paid.")
        with provider_of(who, network=network, store=store, account=account) as provider:
            if push is not None:
                provider.check_main()
                payee = address_of(to, play=provider.desk.site.play) if to else str(provider.cover.account)
                provider.cover.send("Escrow", "setPayout", provider.member, payee, push)
            payee, pushed = provider.payout()
        click.echo(f"Paid to {payee}: {'sent at once' if pushed else 'credited, to be withdrawn'}.")

    @cli.command("answer-for", epilog=example(f"{who_} answer-for 4 --account TEST::8", f"{who_} answer-for 4 --no"))
    @click.argument("member", type=click.IntRange(1, (1 << 32) - 1))
    @click.option("--no", "forbids", is_flag=True, help="Do so no more.")
    @as_option(who_)
    @account_option("The account that is paid for the member")
    @network_options
    @yes_option
    def answer_for(
        member: int, forbids: bool, who: str, account: str | None, network: str, store: str | None, yes: bool
    ) -> None:
        """Let what a MEMBER has to give back be taken from this account, which is paid for it."""
        from scripts._covering import cover_of, sending
        from scripts._member import desk_of

        with (
            desk_of(who, network=network, store=store, account=account) as desk,
            cover_of(desk.site, desk.person.folder, sending(desk)) as cover,
        ):
            if not forbids:
                confirmed(f"Let what member {member} has to give back be taken from {cover.account}?", yes=yes)
            cover.send("Escrow", "answerFor", member, not forbids)
        click.echo(f"{cover.account} answers for member {member}{' no more' if forbids else ' now'}.")

    @cli.command("withdraw", epilog=example(f"{who_} withdraw 3f9a2c", f"{who_} withdraw 0x5FbD... --to TEST::7"))
    @click.argument("token")
    @click.option("--to", default=None, help="An address or an account of Ape; the account that withdraws unless said.")
    @as_option(who_)
    @account_option("The account that was credited")
    @network_options
    def withdraw(token: str, to: str | None, who: str, account: str | None, network: str, store: str | None) -> None:
        """Withdraw what is credited of a TOKEN, by its address or the number of a plan that pays in it."""
        from scripts._accounts import address_of
        from scripts._claiming import token_named
        from scripts._covering import Money, cover_of, sending
        from scripts._member import desk_of

        with (
            desk_of(who, network=network, store=store, account=account) as desk,
            cover_of(desk.site, desk.person.folder, sending(desk)) as cover,
        ):
            address, sender = token_named(cover, token), str(cover.account)
            amount = cover.credit(address, sender)
            if not amount:
                raise Failure(f"Nothing of this token is credited to {sender}.", 3)
            receiver = address_of(to, play=desk.site.play) if to else sender
            cover.send("Escrow", "withdraw", address, receiver)
            told = Money(cover.decimals(address), "")(amount)
        click.echo(f"Withdrawn: {told} to {receiver}.")
