"""The commands of `ape run`, one file an actor. What they share stands in files that begin with an underscore."""

# Ape has the project's folder on the path only while it reads a script. A package that is known by then is found later.
import engines  # noqa: F401
