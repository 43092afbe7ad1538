"""What can be wrong with one answer of one node. None of these leaves this package: two nodes are asked."""


class Lie(Exception):
    """An answer that does not prove what it says."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(fault)


class Strangers(Lie):
    """A block that validators sealed who are not those of the anchor: it may be true, and the anchor old."""


class Unable(Exception):
    """A node that says it cannot answer, or has not got so far. Another may."""


class Silent(Exception):
    """A node that did not answer in time. Another may."""
