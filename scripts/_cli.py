"""What the commands look like from outside: common options, one sentence for every failure, lists and JSON.

`ape run` executes every script at each call, so this module imports nothing but click; the rest is imported inside.
"""

import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

DEVELOPMENT = "ethereum:dev:node"


class Failure(click.ClickException):
    """One sentence on standard error and an exit code: 2 bad input, 3 refused, 4 try again, 5 tampered, 6 broken."""

    def __init__(self, sentence: str, exit_code: int = 2) -> None:
        # Some of it may be a stranger's, who must not steer a terminal.
        super().__init__(" ".join(cleaned(sentence).split()))
        self.exit_code = exit_code

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True)


def failure_of(trouble: BaseException) -> Failure:
    """What a person is told of an error of any kind."""
    from theriac.errors import TheriacError

    if isinstance(trouble, TheriacError):
        return Failure(str(trouble), trouble.exit_code)
    if isinstance(trouble, OSError) and trouble.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure("The disk is full; free some space and run the command again, nothing was lost.", 6)
    module = type(trouble).__module__.split(".")[0]
    said = " ".join(str(trouble).split())[:300] or type(trouble).__name__
    if module in ("requests", "urllib3", "web3") or isinstance(trouble, ConnectionError | TimeoutError):
        return Failure(f"The chain or the store does not answer ({type(trouble).__name__}); try again later.", 4)
    if module.startswith("ape"):
        return _failure_of_ape(type(trouble), said)
    if isinstance(trouble, OSError):
        where = trouble.filename if trouble.filename is not None else "A file"
        return Failure(f"{where} cannot be used: {trouble.strerror or said}.", 6 if _writing(trouble) else 2)
    return Failure(f"Something unforeseen happened ({type(trouble).__name__}: {said}); please report it.", 1)


def _failure_of_ape(kind: type[BaseException], said: str) -> Failure:
    names = {each.__name__ for each in kind.__mro__}
    said = said.rstrip(".")
    if "NetworkError" in names:
        return Failure(f"This network cannot be used: {said}; name another with --network.", 2)
    if names & {"AccountsError", "SignatureError", "InvalidPasswordError"}:
        return Failure(f"The account did not sign: {said}; check its passphrase or device and try again.", 3)
    if "ProviderError" in names or "RPCTimeoutError" in names:
        return Failure(f"The chain does not answer: {said}; start it ('make chain') or name another by --network.", 4)
    return Failure(f"Ape cannot do this: {said}.", 1)


def _writing(trouble: OSError) -> bool:
    return trouble.errno in (errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


def _reach_engines() -> None:
    """`ape run` takes the project off Python's path once the scripts are read; what they import later is there too."""
    project = str(Path(__file__).resolve().parent.parent)
    if project not in sys.path:
        sys.path.append(project)


class _InSentences:
    """Turns whatever is raised inside into a Failure, so that no traceback reaches a user.

    Whatever is written inside, by whichever library, is for the user alone: the folders that hold keystores, spools
    and exports, and what SQLite lays beside its files.
    """

    def invoke(self, ctx: click.Context) -> Any:
        _reach_engines()
        before = os.umask(0o077)
        try:
            return super().invoke(ctx)  # type: ignore[misc]
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            # Click itself knows what to do when nobody reads on.
            raise
        except (click.Abort, KeyboardInterrupt, EOFError):
            raise Failure("Stopped before it was done; run the same command again to go on.", 1) from None
        except Exception as trouble:
            raise failure_of(trouble) from None
        finally:
            os.umask(before)


class Act(_InSentences, click.Command):
    """A script of one command."""


class Actor(_InSentences, click.Group):
    """A script with a command for each act."""


def example(*lines: str) -> str:
    """The part of a command's help that shows how it is called."""
    return "\b\nExample:\n" + "\n".join(f"  ape run {line}" for line in lines)


# -- options ---------------------------------------------------------------------------------------------------------

LIGHT: dict[str, Any] = {}
"""What `--light` and `--node` said, for whatever connects: also in threads, which must not fall back to believing."""


def _remembered(_: click.Context, option: click.Parameter, value: Any) -> Any:
    LIGHT[str(option.name)] = value
    return value


def network_options(function: Function) -> Function:
    """`--network` and `--store`; `--light` and `--node`, of which only the connection is told."""
    light = click.option(
        "--light",
        envvar="THERIAC_LIGHT",
        type=click.Path(dir_okay=False),
        default=None,
        show_envvar=True,
        expose_value=False,
        callback=_remembered,
        help="An invitation, or its anchor: believe no node, and have everything proven.",
    )
    node = click.option(
        "--node",
        "nodes",
        envvar="THERIAC_NODES",
        multiple=True,
        show_envvar=True,
        expose_value=False,
        callback=_remembered,
        help="With --light: the http address of a node to ask. Give two, of different members.",
    )
    function = light(node(function))
    network = click.option(
        "--network",
        envvar="THERIAC_NETWORK",
        default=DEVELOPMENT,
        show_default=True,
        show_envvar=True,
        help="Ecosystem:network:provider as Ape names them; an http address as the provider will do.",
    )
    store = click.option(
        "--store",
        envvar="THERIAC_STORE",
        default=None,
        show_envvar=True,
        help="A folder, or an IPFS node such as /ip4/127.0.0.1/tcp/5001, or NODE,PEER with its Cluster peer. "
        "A folder of the project unless said.",
    )
    return network(store(function))


def as_option(default: str) -> Callable[[Function], Function]:
    return click.option(
        "--as", "who", envvar="THERIAC_AS", default=default, show_default=True, help="Whose folder to use."
    )


payer_option = click.option(
    "--payer", envvar="THERIAC_PAYER", default=None, help="The account of Ape that pays; remembered."
)
purpose_option = click.option("--purpose", default="TREAT", show_default=True, help="A code of HL7 v3 PurposeOfUse.")
until_option = click.option("--until", default=None, help="Ends on this day at 00:00 UTC, or at a full hour.")
days_option = click.option(
    "--days", type=click.IntRange(1, 3650), default=None, help="Ends so many days ahead; 30 unless said."
)


def account_option(meaning: str) -> Callable[[Function], Function]:
    return click.option(
        "--account",
        envvar="THERIAC_ACCOUNT",
        default=None,
        help=f"{meaning}: an account of Ape, TEST::0 to TEST::9 too.",
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask before going on.")


def confirmed(question: str, *, yes: bool) -> None:
    """Asks before something that cannot be taken back, or that lets somebody in."""
    if yes:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        raise Failure("Nothing was done, since nobody answered; --yes goes on without asking.", 1) from None
    if not agreed:
        raise Failure("Nothing was done.", 1)


def passphrase(*, new: bool = False, whose: str) -> str:
    """From THERIAC_PASSPHRASE, else asked for on the terminal."""
    if given := os.environ.get("THERIAC_PASSPHRASE"):
        return given
    asked: str = click.prompt(f"Passphrase of {whose}", hide_input=True, confirmation_prompt=new, err=True)
    return asked


# -- output ----------------------------------------------------------------------------------------------------------


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(rows: Sequence[Sequence[Any]], *heads: str, empty: str) -> None:
    """Columns of text, as wide as what stands in them."""
    if not rows:
        click.echo(empty)
        return
    cells = [list(heads), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def plural(count: int, noun: str) -> str:
    """1 pack, 12 packs."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def printable(text: str) -> str:
    """What a stranger wrote into a record must not steer a terminal, nor fill it."""
    return cleaned(text)[:120]


def cleaned(text: str) -> str:
    """The same at its whole length."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def check_out(to: str) -> None:
    """Refuses a file that could not be written, before anything is done for it; a device is never replaced."""
    target = Path(to).absolute()
    folder = next(each for each in target.parents if each.exists())
    if target.exists() and not target.is_file():
        fault = "it is no ordinary file"
    elif not folder.is_dir():
        fault = f"{folder} is no folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        fault = f"nothing can be written into {folder}"
    else:
        return
    raise Failure(f"{to} cannot be written: {fault}; name another file.")


def write_file(to: str, data: bytes) -> None:
    """Writes a file that only its owner reads, whole or not at all."""
    from theriac.errors import DamagedKeystore
    from theriac.health.keystore import write_private

    check_out(to)
    try:
        write_private(Path(to).absolute(), data)
    except DamagedKeystore as trouble:
        raise Failure(f"{to} cannot be written: {trouble.fault}; mend that or name another file.", 6) from None


def write_out(content: Any, to: str) -> None:
    """Writes an opened record to a file or, for `-`, to standard output: whole and checked, or not at all."""
    import shutil
    import tempfile

    if to == "-":
        with tempfile.SpooledTemporaryFile(max_size=8 << 20) as spool:
            content.copy_to(spool)
            spool.seek(0)
            shutil.copyfileobj(spool, click.get_binary_stream("stdout"))
        return
    check_out(to)
    target = Path(to)
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=target.absolute().parent, prefix=".theriac-")
    try:
        with os.fdopen(handle, "wb") as file:
            content.copy_to(file)
        os.replace(draft, target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
