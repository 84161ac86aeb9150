"""In which shape each endpoint tells of an error: this contract has several, and its clients know them.

Where the original answered 500 for what its caller did wrong, this is 4xx with a body of the same shape.
"""

from __future__ import annotations

from kist import errors
from kist.errors import (
    BadRange,
    Invalid,
    KistError,
    Missing,
    NotAllowed,
    NotSignedIn,
    TooLarge,
    TooMany,
    WrongMethod,
    WrongType,
)
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.statuses import retry_after, status_of

REQUIRED = "name and file are required"
SLASH = "You are not allowed to do that"
LOGGED_OUT = "You must be logged in"

_STRINGS = frozenset({"user-upload-link", "user-read"})
"""Endpoints whose errors are all bare JSON strings."""
_FORBIDDEN_AS_STRING = frozenset({"admin-upload", "admin-upload-link"})
_REQUIRED_AS_STRING = frozenset({"user-upload", "admin-upload"})
_MESSAGES = frozenset({"user-upload", "make-links", "admin-upload", "admin-upload-link", "create_bucket"})

_CODES: tuple[tuple[type[KistError], str], ...] = (
    (errors.AlreadyThere, "BucketAlreadyExists"),
    (errors.BadName, "InvalidBucketName"),
    (errors.NotAllowed, "AccessDenied"),
    (errors.Invalid, "InvalidLocationConstraint"),
    (errors.Unavailable, "ServiceUnavailable"),
)
"""What S3 calls the reasons why there is no new bucket."""


def show_error(error: KistError, call: Call) -> Reply:
    """``error`` in the shape of the endpoint that was asked; what no endpoint has a shape for, as the platform did."""
    endpoint = call.path.rstrip("/").rpartition("/")[2]
    status = _status(error)
    return Reply.json(_body(error, endpoint, status), status=status, headers=retry_after(error))


def _body(error: KistError, endpoint: str, status: int) -> object:
    # The platform's own refusals: the payload, the rate, the method, and addresses where there is nothing.
    if isinstance(error, TooLarge | TooMany | WrongMethod) or type(error) is Missing:
        return {"detail": error.message}
    message = f"{LOGGED_OUT}: {error.message}" if isinstance(error, NotSignedIn) else error.message
    if endpoint == "create_bucket":
        return _bucket_refusal(error, message, status)
    if _is_string(error, endpoint):
        return message
    return {"message" if endpoint in _MESSAGES else "detail": message}


def _is_string(error: KistError, endpoint: str) -> bool:
    if isinstance(error, NotAllowed) and endpoint in _FORBIDDEN_AS_STRING:
        return True
    if error.message == REQUIRED and endpoint in _REQUIRED_AS_STRING:
        return True
    return endpoint in _STRINGS


def _bucket_refusal(error: KistError, message: str, status: int) -> object:
    """As the AWS SDK tells of a bucket that was not made; what it tells of the wire between it and S3 is null."""
    if isinstance(error, NotSignedIn):
        return {"message": message}
    if isinstance(error, NotAllowed) and message == "Forbidden":
        return {"message": "Bad amazon key"}
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "InternalError")
    return {
        "message": message,
        "code": code,
        "region": None,
        "time": None,
        "requestId": None,
        "statusCode": status,
        "retryable": error.retry,
        "retryDelay": error.about.get("after"),
    }


def _status(error: KistError) -> int:
    plain_input = isinstance(error, Invalid) and not isinstance(error, TooLarge | WrongType | BadRange | WrongMethod)
    return 400 if plain_input else status_of(error)
