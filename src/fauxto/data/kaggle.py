"""The two public data sets of the reference systems, from Kaggle by kagglehub (0.4.3 or newer)."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from fauxto.errors import DataError, MissingExtraError, UsageError

if TYPE_CHECKING:
    import requests

KAGGLE_DATASETS = {
    "cifake": "birdy654/cifake-real-and-ai-generated-synthetic-images",
    "faces140k": "xhlulu/140k-real-and-fake-faces",
}
_SERVER = "https://api.kaggle.com"
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 15
_CREDENTIALS = (
    "make an API token at https://www.kaggle.com/settings and store it as ~/.kaggle/kaggle.json, or set "
    "KAGGLE_USERNAME and KAGGLE_KEY"
)


def download(name: str, output: str | os.PathLike[str] | None = None) -> Path:
    """Download a data set; what an earlier call downloaded completely is not fetched again.

    Args:
        name: `cifake` or `faces140k`.
        output: folder for it; by default kagglehub's cache.

    Returns:
        The folder to load.

    Raises:
        UsageError: an unknown name.
        MissingExtraError: kagglehub is not installed.
        DataError: no network, credentials missing or refused, no space; the message says what to do.
    """
    if name not in KAGGLE_DATASETS:
        raise UsageError(f"no data set '{name}'; choose one of {', '.join(KAGGLE_DATASETS)}")
    try:
        import kagglehub
        import requests
        from kagglehub.exceptions import CredentialError, DataCorruptionError, UnauthenticatedError
    except ImportError:
        raise MissingExtraError("downloading data sets", "train") from None
    target = None if output is None else os.fspath(output)
    try:
        _require_network()
        return Path(kagglehub.dataset_download(KAGGLE_DATASETS[name], output_dir=target))
    except requests.exceptions.HTTPError as error:
        raise DataError(f"{name}: {_refusal(error)}") from error
    except requests.exceptions.RequestException as error:
        raise DataError(f"{name}: {_no_connection(name, error)}") from error
    except (UnauthenticatedError, CredentialError) as error:
        raise DataError(f"{name}: Kaggle wants an account for this; {_CREDENTIALS}") from error
    except (DataCorruptionError, zipfile.BadZipFile) as error:
        raise DataError(f"{name}: what arrived is damaged ({error}); run the command again") from error
    except FileExistsError as error:
        raise DataError(
            f"{target}: holds something else; name an empty or a new folder by --output"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{name}: cannot be stored ({reason}); name another folder by --output") from error
    except ValueError as error:
        # kagglehub raises it for a credentials file that it cannot parse.
        raise DataError(f"{name}: {error}; {_CREDENTIALS}") from error


def _require_network() -> None:
    """Find out in seconds whether Kaggle answers: kagglehub asks without a time limit.

    Goes through requests, as kagglehub does, so that proxies and certificates count in the same way.
    """
    import requests

    requests.head(_SERVER, timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS), allow_redirects=False)


def _no_connection(name: str, error: requests.exceptions.RequestException) -> str:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        reason = "its certificate is not accepted"
    elif isinstance(error, requests.exceptions.ProxyError):
        reason = "the proxy does not answer"
    elif isinstance(error, requests.exceptions.Timeout):
        reason = "no answer in time"
    else:
        reason = "no connection"
    return (
        f"Kaggle cannot be reached ({reason}); check the network and HTTPS_PROXY, or fetch "
        f"https://www.kaggle.com/datasets/{KAGGLE_DATASETS[name]} on another machine and unpack it here: "
        "fauxto reads the folder as it is"
    )


def _refusal(error: requests.exceptions.HTTPError) -> str:
    status = None if error.response is None else error.response.status_code
    if status in (401, 403):
        return f"Kaggle refuses access (HTTP {status}); {_CREDENTIALS}"
    if status == 404:
        return "Kaggle no longer has it (HTTP 404); look for a newer fauxto or kagglehub"
    if status == 429:
        return "Kaggle wants fewer requests (HTTP 429); wait some minutes and run the command again"
    return f"Kaggle answered with an error (HTTP {status}); try again later"
