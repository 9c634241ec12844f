"""One scan at a time writes to a place; the operating system lets go however a process ends."""

from __future__ import annotations


def lock(descriptor: int) -> None:
    """Lock an open file, where the system and its disk can: some network shares keep no locks.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except (ImportError, OSError):
        return
