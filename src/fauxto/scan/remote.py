"""Images in object stores and on web servers: listed folder by folder, read within limits.

`s3://`, `gs://`, `az://` and the like go through fsspec, whose settings (an endpoint, say) are the user's own
environment. An address of one image on a web server needs no fsspec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, cast

from fauxto.errors import InputError, MissingExtraError
from fauxto.images import FORMAT_EXTENSIONS, Limits, printable
from fauxto.images.refusal import RefusedError
from fauxto.scan.found import Found, Skipped, kind_of

_WEB = frozenset({"http", "https"})
_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
_SECONDS = 60.0  # for one image from a web server


def scheme_of(url: str) -> str:
    """`s3` of `s3://bucket/key`."""
    return url.partition("://")[0].lower()


def is_web(url: str) -> bool:
    """Whether an address is a web server's and not an object store's."""
    return scheme_of(url) in _WEB


def check_address(url: str) -> None:
    """Refuse what is neither a web server's nor an object store's address.

    fsspec reads more: other schemes, and with `::` an archive or a cache chained to an address of any scheme.
    Those would reach the network or this machine's files past every check on the scheme in front.

    Raises:
        RefusedError: `unsupported`.
    """
    scheme = scheme_of(url)
    if scheme not in _WEB | _STORES:
        raise RefusedError(
            "unsupported", f"fauxto does not read {scheme}:// addresses; copy the images first"
        )
    if scheme in _STORES and "::" in url:
        raise RefusedError("unsupported", "an address with :: is not read; copy the images first")


def find_remote(url: str, skipped: Skipped) -> Iterator[Found]:
    """List what an address names: one object, the objects under a folder, or those that match a pattern.

    A folder's address ends in `/`, or no object has that name. One folder's listing is in memory at a time.

    Raises:
        MissingExtraError: the store needs an extra that is not installed.
    """
    try:
        check_address(url)
        if is_web(url):
            yield Found(url, kind_of(url))  # web servers have no listings
        else:
            yield from _in_store(url, skipped)
    except RefusedError as refusal:
        yield Found(url, error=refusal.error(url))
    except InputError as error:
        yield Found(url, error=error)


def _in_store(url: str, skipped: Skipped) -> Iterator[Found]:
    scheme = scheme_of(url)
    try:
        store, path = _store(url)
        if any(sign in path for sign in "*?["):
            matches = sorted(store.glob(path))
            if not matches:
                yield Found(url).refused("not-found", "no object matches this pattern; check the spelling")
            for name in matches:
                full = f"{scheme}://{name}"
                yield Found(
                    full, kind_of(full), stamp=_stamp(store.info(name)) if kind_of(full) != "image" else None
                )
        elif url.endswith("/"):
            yield from _folder(store, path, scheme, skipped)
        else:
            yield from _object_or_folder(store, path, url, skipped)
    except (InputError, MissingExtraError):
        raise
    except Exception as error:  # every store raises its own
        raise _refused(error).error(url) from error


def _object_or_folder(store: Any, path: str, url: str, skipped: Skipped) -> Iterator[Found]:
    kind = kind_of(url)
    if kind == "image" and path.lower().endswith(tuple(FORMAT_EXTENSIONS)):
        yield Found(url)  # reading it will say whether it is there
        return
    info = store.info(path)
    if info["type"] == "directory":
        yield from _folder(store, path, scheme_of(url), skipped)
    else:
        yield Found(url, kind, stamp=_stamp(info))


def _folder(store: Any, path: str, scheme: str, skipped: Skipped) -> Iterator[Found]:
    for info in sorted(store.ls(path, detail=True), key=lambda info: str(info["name"])):
        full = str(info["name"])
        name = full.rstrip("/").rpartition("/")[2]
        if full.rstrip("/") == path.rstrip("/"):
            continue  # the empty object that stands for the folder itself
        if name.startswith("."):
            skipped.hidden += 1
        elif info["type"] == "directory":
            yield from _folder(store, full, scheme, skipped)
        elif name.lower().endswith(tuple(FORMAT_EXTENSIONS)):
            yield Found(f"{scheme}://{full}")
        elif kind_of(name) != "image":
            skipped.containers += 1
        else:
            skipped.other += 1


def _stamp(info: dict[str, Any]) -> str:
    return f"{info.get('size')}:{info.get('ETag') or info.get('etag') or info.get('mtime') or ''}"


def stamp_of_remote(url: str) -> str | None:
    """Size and entity tag of an object as it is now; None where the store does not say."""
    if is_web(url):
        return None
    try:
        store, path = _store(url)
        return _stamp(store.info(path))
    except MissingExtraError:
        raise
    except Exception:  # opening it will say why
        return None


def read_remote(url: str, limits: Limits) -> bytes:
    """The bytes of one remote object; no more than the limit is fetched.

    Raises:
        InputError: `not-found`, `unreadable`, `empty` or `too-large`.
        MissingExtraError: the store needs an extra that is not installed.
    """
    try:
        if is_web(url):
            data = _from_web(url, limits)
        else:
            store, path = _store(url)
            data = bytes(store.cat_file(path, start=0, end=limits.max_bytes + 1))
        if not data:
            raise RefusedError("empty", "the object has no bytes; upload it again")
        limits.check_bytes(len(data))
    except RefusedError as refusal:
        raise refusal.error(url) from refusal.__cause__
    except MissingExtraError:
        raise
    except Exception as error:  # every store raises its own
        raise _refused(error).error(url) from error
    return data


def _from_web(url: str, limits: Limits) -> bytes:
    from fauxto.provenance.fetch import FetchError, fetch

    try:
        return fetch(url, _SECONDS, limits.max_bytes + 1)
    except FetchError as error:
        if _status(error) in (404, 410):
            raise RefusedError("not-found", "the server has no such file; check the address") from error
        if "larger than" in str(error):
            raise RefusedError(
                "too-large",
                f"it is over the limit of {limits.max_bytes / 1e6:.4g} MB; raise the limit max_bytes",
            ) from error
        raise RefusedError(
            "unreadable", f"it could not be fetched ({printable(str(error))}); try again"
        ) from error


def _status(error: BaseException | None) -> int | None:
    """The HTTP status at the root of an error."""
    while error is not None:
        code = getattr(error, "code", None)
        if isinstance(code, int):
            return code
        error = error.__cause__
    return None


def open_remote(url: str) -> IO[bytes]:
    """A remote object as a file that reads ahead and can seek.

    Raises:
        InputError: `not-found` or `unreadable`.
        MissingExtraError: the store needs an extra that is not installed.
    """
    try:
        store, path = _store(url)
        return cast("IO[bytes]", store.open(path, "rb"))
    except MissingExtraError:
        raise
    except Exception as error:  # every store raises its own
        raise _refused(error).error(url) from error


def _store(url: str) -> tuple[Any, str]:
    """fsspec's file system of an address and the path in it."""
    check_address(url)
    if "::" in url:
        raise RefusedError("unsupported", "an address with :: is not opened; download the file first")
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError(f"reading {scheme_of(url)}:// addresses", "remote") from error
    # A listing kept for later would grow with the store and hide what changes in it.
    options = {} if is_web(url) else {"use_listings_cache": False}
    try:
        store, path = url_to_fs(url, **options)
    except ImportError as error:
        raise MissingExtraError(f"reading {scheme_of(url)}:// addresses", "remote") from error
    return store, path


def _refused(error: Exception) -> RefusedError:
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, FileNotFoundError):
        return RefusedError("not-found", "no such object; check bucket, key and endpoint")
    if isinstance(error, PermissionError):
        return RefusedError("unreadable", "access denied; check the credentials in the environment")
    said = printable(str(error)).strip().rstrip(".") or type(error).__name__
    remedy = "give them in the environment" if "credential" in said.lower() else "try again"
    return RefusedError(
        "unreadable", f"the store did not give it ({type(error).__name__}: {said[:300]}); {remedy}"
    )
