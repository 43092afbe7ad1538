"""AccessLog: an event says that a root over so many receipts existed, who logged it and for which member."""

from contracts_world import MEMBERS, NOTHING, digest, refused

ROOT = digest("the root of a day's receipts")


def test_log__tells_who_and_the_member(accesslog, hospital, doctor, stranger):
    for who, member in ((hospital, MEMBERS.hospital), (doctor, MEMBERS.hospital), (stranger, 0)):
        receipt = accesslog.log(ROOT, 3, sender=who)

        assert receipt.events == [accesslog.Logged(ROOT, who, member, 3)]


def test_log__after_a_suspension__goes_on(accesslog, consortium, board, doctor):
    consortium.suspend(MEMBERS.hospital, 0, sender=board)

    receipt = accesslog.log(ROOT, 1, sender=doctor)

    assert receipt.events == [accesslog.Logged(ROOT, doctor, MEMBERS.hospital, 1)]


def test_log__by_who_was_dismissed__is_nobodys(accesslog, consortium, hospital, nurse):
    consortium.dismiss(nurse, sender=hospital)

    receipt = accesslog.log(ROOT, 1, sender=nurse)

    assert receipt.events == [accesslog.Logged(ROOT, nurse, 0, 1)]


def test_log__the_same_root_again__says_the_same(accesslog, doctor, stranger):
    accesslog.log(ROOT, 3, sender=stranger)

    receipt = accesslog.log(ROOT, 3, sender=doctor)

    assert receipt.events == [accesslog.Logged(ROOT, doctor, MEMBERS.hospital, 3)]


def test_log__nothing(accesslog, doctor):
    for root, leaves in ((NOTHING, 1), (ROOT, 0), (NOTHING, 0)):
        with refused(accesslog.EmptyLog, root=root, leaves=leaves):
            accesslog.log.call(root, leaves, sender=doctor)


def test_domain__is_that_of_the_receipts(accesslog):
    named = accesslog.eip712Domain()

    assert (named.name, named.version, named.verifyingContract) == ("Theriac AccessLog", "1", accesslog.address)
