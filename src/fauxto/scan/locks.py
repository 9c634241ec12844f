"""One scan at a time writes to a place; the operating system lets go however a process ends."""

from __future__ import annotations

import errno

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


def lock(descriptor: int) -> None:
    """Lock an open file, where the system and its disk can: some network shares keep no locks.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: the disk fails.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
