"""Temperature readings in commands: a logger's report, what a batch bears, and who may block goods for it.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from typing import TYPE_CHECKING, Any

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    cleaned,
    example,
    json_option,
    network_options,
    print_json,
    yes_option,
)

if TYPE_CHECKING:
    from scripts._goods import Goods
    from theriac.medicine.coldchain import Reported
    from theriac.medicine.messages import Goods as Beside
    from theriac.medicine.messages import Readings


def add_log(cli: Actor, who: str = "pharmacy") -> None:
    """Adds `log` and `allow-cold-chain`; `who` is the actor's word and its folder unless `--as` names another."""
    cli.add_command(_log(who))
    cli.add_command(_allow(who))


def _log(who_: str) -> click.Command:
    @click.command(
        "log",
        epilog=example(
            f"{who_} log fridge.csv --goods L42A --logger TEST::7",
            f"{who_} log fridge.csv --goods L42A/70880 --logger TEST::7 --direct --json",
        ),
    )
    @click.argument("file", type=click.Path(exists=True, dir_okay=False))
    @click.option(
        "--goods",
        "names",
        multiple=True,
        required=True,
        help="What lay beside the logger: a lot or a batch's number for all of it that is held, or LOT/NODE.",
    )
    @click.option("--logger", required=True, help="The logger's account, which joined as device: it signs.")
    @click.option("--direct", is_flag=True, help="The logger's account sends it too; else the member's account does.")
    @as_option(who_)
    @account_option("Who carries the report")
    @network_options
    @json_option
    def log(
        file: str,
        names: tuple[str, ...],
        logger: str,
        direct: bool,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        as_json: bool,
    ) -> None:
        """Report a temperature logger's readings; goods that bore too much are blocked.

        FILE is CSV: a time with its zone, a comma, degrees Celsius: 2030-01-07T09:00:00Z,5.25. The readings are sealed
        to this member and the goods' makers. Goods that the chain refuses keep no others from being reported.
        """
        from pathlib import Path

        from scripts._handing import at_work
        from scripts._progress import working
        from theriac.medicine.coldchain import ColdChain, Log, SignedReadings, from_csv, report_each

        readings = from_csv(Path(file).read_bytes())
        with at_work(who, network=network, store=store, account=account) as goods:
            _check_recent(goods, readings[-1].at)
            signer = goods.site.signer(logger)
            alias = logger if direct else _alias(goods)
            cold = ColdChain(goods.depot.chain, sender=goods.site.sender(alias), store=goods.site.store)
            beside = [each for name in names for each in _beside(goods, name)]
            if not cold.is_allowed(goods.depot.member):
                click.echo("ColdChain may not block for this member yet: run 'allow-cold-chain' first.", err=True)
            with working("Sealing and reporting"):
                messages = cold.messages(Log.of(str(signer.address), readings), beside, to=_readers(goods, beside))
                domain = goods.depot.chain.domain("ColdChain")

                def send(message: "Readings") -> "Reported":
                    if direct:
                        return cold.report(message)
                    return cold.carry(SignedReadings.sign(message, signer=signer, domain=domain))

                found = report_each(messages, send=send)
        if not found.reported:
            raise found.refused[0].refusal
        if as_json:
            print_json([_told(each) for each in found.reported])
        else:
            for each in found.reported:
                _print(each)
        for refused in found.refused:
            where = f"node {refused.goods.node} of batch {refused.goods.batch.hex()[:16]}"
            click.echo(cleaned(f"Not reported: {where}. {refused.refusal}"), err=True)
        if found.refused:
            raise click.exceptions.Exit(3)

    return log


def _check_recent(goods: "Goods", end: Any) -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime.fromtimestamp(goods.depot.chain.time(), UTC)
    if end > now:
        raise Failure(f"These readings end after now ({end:%Y-%m-%d %H:%M} UTC); set the logger's clock.")
    if end < now - timedelta(days=7):
        raise Failure("These readings end more than seven days ago, and the chain takes them no longer.", 3)


def _alias(goods: "Goods") -> str:
    if goods.desk is None:
        raise Failure("The chain is out of reach; log again when it answers.", 4)
    return goods.desk.alias


def _beside(goods: "Goods", name: str) -> "list[Beside]":
    """A node that was named, or all that this member holds of a batch: each node that goes its own way."""
    from scripts._goods import batch_named
    from theriac.medicine.messages import Goods as Beside

    text, _, number = name.partition("/")
    batch = batch_named(goods.depot, text)
    if number:
        if not number.isdecimal() or not 0 < int(number) < 1 << 21:
            raise Failure(f"{number[:40]!r} is no node; write it like {text}/70880, as 'list' shows it.")
        return [Beside(batch, int(number))]
    state, member = goods.depot.state(batch), goods.depot.member
    held = [node for node in sorted(state.nodes) if state.holds(member, node)]
    if not held:
        raise Failure(f"Member {member} holds nothing of {text}; only who holds goods reports about them.", 3)
    return [Beside(batch, node) for node in held]


def _readers(goods: "Goods", beside: "list[Beside]") -> list[Any]:
    """This member and the makers of the goods."""
    makers = {goods.depot.state(each.batch).maker for each in beside}
    return [goods.recipient_of(member) for member in sorted({goods.depot.member, *makers})]


def _told(found: "Reported") -> dict[str, Any]:
    verdict = found.verdict
    return {
        "transaction": found.receipt.transaction,
        "start": verdict.start.isoformat(),
        "end": verdict.end.isoformat(),
        "low": verdict.low / 100,
        "high": verdict.high / 100,
        "minutes": verdict.minutes,
        "kinetic": verdict.kinetic / 100,
        "blocked": [{"batch": each.batch.hex(), "node": each.node, "reason": each.reason} for each in found.blocked],
    }


def _print(found: "Reported") -> None:
    click.echo(f"Reported: {found.verdict}.")
    for each in found.blocked:
        click.echo(f"Blocked: node {each.node} of batch {each.batch.hex()[:16]}, {each.sentence}.")
    if not found.blocked:
        click.echo("Nothing was blocked.")


def _allow(who_: str) -> click.Command:
    @click.command("allow-cold-chain", epilog=example(f"{who_} allow-cold-chain"))
    @click.option("--forbid", is_flag=True, help="Take it back.")
    @as_option(who_)
    @account_option("Who acts for the member")
    @network_options
    @yes_option
    def allow_cold_chain(
        forbid: bool, who: str, account: str | None, network: str, store: str | None, yes: bool
    ) -> None:
        """Let the contract ColdChain block goods of this member by what its loggers report."""
        from scripts._cli import confirmed
        from scripts._handing import at_work
        from theriac.medicine.coldchain import REPORT_EXCURSION_FOR, ColdChain

        asked = "No longer let" if forbid else "Let"
        confirmed(f"{asked} the loggers of this member block its goods?", yes=yes)
        with at_work(who, network=network, store=store, account=account) as goods:
            cold = ColdChain(goods.depot.chain, sender=goods.site.sender(_alias(goods)), store=goods.site.store)
            cold.allow(mask=0 if forbid else REPORT_EXCURSION_FOR)
        click.echo("ColdChain may block nothing of this member now." if forbid else "ColdChain may block goods now.")

    return allow_cold_chain


def add_limit(cli: Actor, who: str = "maker") -> None:
    """Adds `set-limit` to the maker's commands."""

    @cli.command("set-limit", epilog=example("maker set-limit L42A --low 2 --high 8 --minutes 60 --kinetic 8"))
    @click.argument("batch")
    @click.option("--low", type=float, required=True, help="The lowest temperature that does not count, in Celsius.")
    @click.option("--high", type=float, required=True, help="The highest temperature that does not count.")
    @click.option("--minutes", type=click.IntRange(0, (1 << 32) - 1), required=True, help="How long outside it bears.")
    @click.option("--kinetic", type=float, required=True, help="The highest mean kinetic temperature it bears.")
    @as_option(who)
    @account_option("Who acts for the maker")
    @network_options
    def set_limit(
        batch: str,
        low: float,
        high: float,
        minutes: int,
        kinetic: float,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
    ) -> None:
        """Say what temperatures a batch bears; reports of loggers count against it."""
        from scripts._goods import batch_named
        from scripts._handing import at_work
        from theriac.medicine.coldchain import ColdChain, Limit

        limit = Limit(_hundredths(low), _hundredths(high), minutes, _hundredths(kinetic))
        if limit.low >= limit.high:
            raise Failure(f"{low} to {high} is no range; give the lower one first.")
        with at_work(who, network=network, store=store, account=account) as goods:
            cold = ColdChain(goods.depot.chain, sender=goods.site.sender(_alias(goods)), store=goods.site.store)
            cold.set_limit(batch_named(goods.depot, batch), limit)
        click.echo(f"Set: {low} to {high} °C, {minutes} minutes outside, mean kinetic temperature {kinetic} °C.")


def _hundredths(celsius: float) -> int:
    found = round(celsius * 100) if -300 < celsius < 400 else 1 << 15
    if not -(1 << 15) <= found < 1 << 15:
        raise Failure(f"{celsius} is no temperature in degrees Celsius.")
    return found
