"""What the process reads that others are forked off: see ready_python.py."""

import ape
import real_anvil  # noqa: F401

import scripts._dispensing
import scripts._following  # noqa: F401
import theriac.medicine.depot  # noqa: F401

# What Ape reads only when it is asked.
ape.networks.get_ecosystem("ethereum").get_network("dev")
