"""The commands of `ape run`, one file an actor. What they share stands in files that begin with an underscore."""
