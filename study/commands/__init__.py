"""Commands by what they are about: each reads its arguments, calls one stage, prints what it found.

Heavy packages load inside the commands, so that `setsum --help` answers at once.
"""
