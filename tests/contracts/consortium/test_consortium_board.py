"""The board: who sits there, how the seat changes hands, and the consortium's numbered keys."""

import ape
from contracts_world import ZERO, digest, refused


def test_deploy__names_the_first_board(board, stranger):
    new = ape.project.Consortium.deploy(board, sender=stranger)

    assert new.creation_metadata.receipt.events == [new.BoardTaken(board, ZERO)]
    assert new.board() == board
    assert new.offeredBoard() == ZERO
    assert new.memberCount() == 0


def test_deploy__without_a_board(consortium, stranger):
    with ape.reverts() as info:
        ape.project.Consortium.deploy(ZERO, sender=stranger)

    assert info.value.abi == consortium.NoAccount.abi


def test_offer_board__tells_whom(consortium, board, stranger):
    receipt = consortium.offerBoard(stranger, sender=board)

    assert receipt.events == [consortium.BoardOffered(board, stranger)]
    assert consortium.offeredBoard() == stranger
    assert consortium.board() == board


def test_offer_board__replaces_the_offer_before(consortium, board, stranger, newcomer):
    consortium.offerBoard(newcomer, sender=board)

    consortium.offerBoard(stranger, sender=board)

    with refused(consortium.NotOffered, sender=newcomer, offered=stranger):
        consortium.acceptBoard.call(sender=newcomer)
    assert consortium.offeredBoard() == stranger


def test_offer_board__to_nobody_takes_the_offer_back(consortium, board, stranger):
    consortium.offerBoard(stranger, sender=board)

    receipt = consortium.offerBoard(ZERO, sender=board)

    assert receipt.events == [consortium.BoardOffered(board, ZERO)]
    with refused(consortium.NotOffered, sender=stranger, offered=ZERO):
        consortium.acceptBoard.call(sender=stranger)


# property B7
def test_accept_board__changes_who_decides(consortium, board, newcomer):
    consortium.offerBoard(newcomer, sender=board)

    receipt = consortium.acceptBoard(sender=newcomer)

    assert receipt.events == [consortium.BoardTaken(newcomer, board)]
    assert consortium.board() == newcomer
    assert consortium.offeredBoard() == ZERO
    with refused(consortium.NotTheBoard, sender=board, board=newcomer):
        consortium.suspend.call(1, 0, sender=board)
    consortium.suspend(1, 0, sender=newcomer)


def test_accept_board__a_second_time(consortium, board, newcomer):
    consortium.offerBoard(newcomer, sender=board)
    consortium.acceptBoard(sender=newcomer)

    with refused(consortium.NotOffered, sender=newcomer, offered=ZERO):
        consortium.acceptBoard.call(sender=newcomer)


def test_renew_key__counts(consortium, board):
    first = consortium.renewKey(digest("first key"), sender=board)
    second = consortium.renewKey(digest("second key"), sender=board)

    assert first.events == [consortium.KeyRenewed(1, digest("first key"))]
    assert second.events == [consortium.KeyRenewed(2, digest("second key"))]
    assert consortium.keyNumber() == 2
