"""A child for `fauxto.isolation` whose decoder misbehaves on certain bytes."""

from __future__ import annotations

from fauxto.isolation import child_program

CRASH, HANG, EAT, FAIL, CHATTER = b"crash", b"hang", b"eat", b"fail", b"chatter"

# A child whose decoder misbehaves on certain bytes, as a bug in native code would.
_PROGRAM = """
import os, time
import fauxto.isolation as isolation
whole, look = isolation.open_file, isolation.inspect_bytes
def misbehave(data):
    if data == b"crash": os.abort()
    if data == b"hang": time.sleep(600)
    if data == b"eat": bytearray(20 << 30)
    if data == b"fail": raise RuntimeError
    if data == b"chatter": os.write(1, b"libfoo: warning"); os.write(2, b"libfoo: warning")
def open_file(data, name, rules):
    misbehave(data)
    return whole(data, name, rules)
def inspect_bytes(data, options, limits):
    misbehave(data)
    return look(data, options, limits)
isolation.open_file, isolation.inspect_bytes = open_file, inspect_bytes
isolation.serve()
"""


def misbehaving_child() -> tuple[str, ...]:
    """The command that starts it."""
    return child_program(f"exec({_PROGRAM!r})")
