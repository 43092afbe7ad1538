"""What the tests of the ledger share: chains that last a file, and accounts that last a test."""

from collections.abc import Callable, Iterator

import pytest
from ledger_chains import Chain, anvil_chain, embedded_chain
from web3.contract import Contract

from theriac.ledger.signer import KeySigner


@pytest.fixture(scope="module")
def anvil() -> Iterator[Chain]:
    with anvil_chain() as chain:
        yield chain


@pytest.fixture(scope="module", params=["embedded", "anvil"])
def chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    """Each chain in turn."""
    if request.param == "embedded":
        yield embedded_chain()
    else:
        with anvil_chain() as running:
            yield running


@pytest.fixture
def own_anvil() -> Iterator[Callable[..., Chain]]:
    """Starts an anvil of the test's own, which can be stopped, set back or told not to mine."""
    running: list[object] = []

    def start(*options: str, port: int = 0) -> Chain:
        context = anvil_chain(*options, port=port)
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)  # type: ignore[attr-defined]


@pytest.fixture
def emitter(chain: Chain) -> Contract:
    return chain.emitter()


@pytest.fixture
def payer(chain: Chain) -> KeySigner:
    """An account with ether that nobody else uses."""
    return chain.account()
