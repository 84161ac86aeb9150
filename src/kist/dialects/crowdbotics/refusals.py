"""Errors of this contract: a JSON array with one text or one object, in the words of boto3 and of its serializers."""

from __future__ import annotations

from kist.errors import (
    AlreadyThere,
    BadName,
    BadRange,
    BucketMissing,
    BucketNotEmpty,
    Invalid,
    KistError,
    Missing,
    NotAllowed,
    TooLarge,
    WrongMethod,
    WrongType,
)
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.routes import Handler
from kist.wire.statuses import retry_after, status_of

CREATE, DELETE, PUT = "CreateBucket", "DeleteBucket", "PutObject"
HEAD, DELETE_OBJECT, LIST = "HeadObject", "DeleteObject", "ListBuckets"

_ASKED = "s3_operation"
_IN_S3_WORDS: tuple[tuple[type[KistError], str, str], ...] = (
    (BucketMissing, "NoSuchBucket", "The specified bucket does not exist"),
    (BucketNotEmpty, "BucketNotEmpty", "The bucket you tried to delete is not empty"),
    (AlreadyThere, "BucketAlreadyExists", "The requested bucket name is not available. Select a different name."),
)


def asking(operation: str, handler: Handler) -> Handler:
    """``handler``, with refusals that name the call of S3 which it stands for, as boto3's do."""

    async def answer(call: Call, kist: Kist) -> Reply:
        try:
            return await handler(call, kist)
        except KistError as error:
            error.about[_ASKED] = operation
            raise

    return answer


def show_error(error: KistError, call: Call) -> Reply:
    """Bad input is 400, whatever is wrong with it; where S3 has a word and a status for a refusal, they are used."""
    if "fields" in error.about:
        return Reply.json([error.about["fields"]], status=400)
    if isinstance(error, WrongMethod):
        return Reply.json({"detail": f'Method "{call.method[:20]}" not allowed.'}, status=405)
    plain_input = isinstance(error, Invalid) and not isinstance(error, TooLarge | WrongType | BadRange)
    status = 400 if plain_input else status_of(error)
    return Reply.json([_said(error)], status=status, headers=retry_after(error))


def _said(error: KistError) -> str:
    operation = error.about.get(_ASKED)
    if operation is None:
        return error.message
    code, text = _as_s3(error, str(operation))
    return f"An error occurred ({code}) when calling the {operation} operation: {text}" if code else text


def _as_s3(error: KistError, operation: str) -> tuple[str, str]:
    """What S3 would say: a code and a text. No code where S3 knows nothing of the kind."""
    if isinstance(error, Missing) and operation == HEAD:
        return "404", "Not Found"
    if isinstance(error, BadName) and operation in (CREATE, DELETE):
        return "InvalidBucketName", error.message
    if isinstance(error, NotAllowed):
        return "AccessDenied", error.message
    return next(((code, text) for kind, code, text in _IN_S3_WORDS if isinstance(error, kind)), ("", error.message))
