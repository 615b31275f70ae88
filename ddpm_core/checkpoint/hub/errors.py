"""Turn errors of the Hub and of its cache into messages of one sentence."""

from __future__ import annotations

import errno

from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,  # base class of all errors of the HTTP library that the client uses
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ddpm_core.checkpoint.refs import CheckpointError, Ref

# The errors that the client raises for a request. ValueError means that the answer isn't JSON, or the name isn't valid.
OF_REQUESTS = (HTTPError, OSError, ValueError)


def is_unreachable(error: Exception) -> bool:
    """Return whether an error means that the Hub gave no usable answer. A refusal is a usable answer."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    # ValueError means that the answer isn't JSON.
    return isinstance(error, (HTTPError, ConnectionError, TimeoutError, ValueError))


def explained(error: Exception, ref: Ref, downloading: bool = False) -> Exception:
    """Return a CheckpointError, of one sentence, for an error of the Hub or the cache. Return other errors unchanged.

    downloading: whether the error came during the download of a file.
    """
    code = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, GatedRepoError):
        address = f"{constants.ENDPOINT}/{ref.name}"
        return CheckpointError(f"{ref.name} is gated: accept its terms at {address}, then log in with `hf auth login`")
    if isinstance(error, RevisionNotFoundError):
        return CheckpointError(f"{ref.name} has no revision {ref.revision!r} on the Hub")
    if isinstance(error, EntryNotFoundError) and code == 404:
        return CheckpointError(f"a file of {ref} has vanished from the Hub: try again")
    if isinstance(error, RepositoryNotFoundError) or code in (401, 404):
        return CheckpointError(
            f"the Hub has no repository {ref.name}, or it is private: check the name, or log in with `hf auth login`"
        )
    if code == 429:
        return CheckpointError(
            f"the Hub accepts no more requests from this address for now (HTTP 429): try {ref} again later"
        )
    if code is not None and code >= 500:
        return CheckpointError(f"the Hub reports an internal error (HTTP {code}): try {ref} again later")
    if code is not None and not is_unreachable(error):
        return CheckpointError(f"the Hub refuses access to {ref.name} (HTTP {code}): log in with `hf auth login`")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return CheckpointError(
            f"the disk is full: make room in {constants.HF_HUB_CACHE} for {ref.name}, or set HF_HOME"
        )
    if isinstance(error, OSError) and error.filename is not None:
        reason = (error.strerror or "error").lower()
        return CheckpointError(f"cannot write {error.filename} ({reason}): set HF_HOME to a folder you can write to")
    if downloading and isinstance(error, (HTTPError, OSError)):
        return CheckpointError(f"the download of {ref} was cut off: try again")
    if is_unreachable(error):
        offline = isinstance(error, OfflineModeIsEnabled)
        reason = "HF_HUB_OFFLINE is set" if offline else "the Hub cannot be reached"
        advice = "connect to the internet, or choose another model"
        return CheckpointError(f"{reason} and {ref} is not in the cache: {advice}")
    return error
