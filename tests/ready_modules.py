"""What the process reads that others are forked off: see ready_python.py."""

# ruff: noqa: F401
import ape
import real_anvil

import scripts._dispensing
import scripts._following
import scripts._wallet_page
import theriac.medicine.depot

# What Ape reads only when it is asked.
ape.networks.get_ecosystem("ethereum").get_network("dev")
