"""What takes bytes from strangers, and how it is fed with worse: `python -m tools.fuzz_parsers`, docs/parsers.md.

targets                         an entry point, what it may raise, how it is asked, what it would write again
crypto store ledger ...         the targets, by the package's own folders
changes                         mutations: of bits, of lengths, of JSON, of what a target is written in
watch                           one input: an error of another tree, a hang, memory, another spelling that is accepted
corpus/<target>/                inputs to begin with, and those that once found something
"""
