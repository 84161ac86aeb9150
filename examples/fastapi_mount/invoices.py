"""Invoices with an attached file: a FastAPI application in which Kist is mounted.

    .venv/bin/uvicorn --app-dir examples/fastapi_mount invoices:app

starts it at http://127.0.0.1:8000; docs/how-to/fastapi.md goes through it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

import people
from kist import Actor, Intent, Kist, KistError
from kist.asgi import KistApp, show_problem
from people import actor, signed_in

files = KistApp(actor=actor)

app = FastAPI(title="Invoices", lifespan=files.lifespan)
app.mount("/files", files)
app.add_exception_handler(KistError, show_problem)

User = Annotated[Actor, Depends(signed_in)]
Files = Annotated[Kist, Depends(files.kist)]


@dataclass
class Invoice:
    """``file`` is the id of a file of Kist's, which belongs to the same user."""

    id: int
    user: str
    title: str
    file: str | None = None


INVOICES: dict[int, Invoice] = {}
"""A real application has them in its database."""
numbers = itertools.count(1)


def invoice_of(user: User, number: int) -> Invoice:
    """The user's own invoice; 404 for others'."""
    found = INVOICES.get(number)
    if found is None or found.user != user.id:
        raise HTTPException(404, "there is no such invoice")
    return found


Mine = Annotated[Invoice, Depends(invoice_of)]


@app.post("/sign-in")
def sign_in(given: people.Credentials, response: Response) -> dict[str, str]:
    """Get the cookie that all else wants."""
    response.set_cookie(people.COOKIE, people.sign_in(given), httponly=True, samesite="lax")
    return {"signed_in": given.name}


@app.post("/invoices", status_code=201)
def begin(user: User, title: str) -> Invoice:
    """A new invoice without a file."""
    invoice = Invoice(next(numbers), user.id, title)
    INVOICES[invoice.id] = invoice
    return invoice


@app.put("/invoices/{number}/file")
async def attach(user: User, invoice: Mine, kist: Files, request: Request) -> Invoice:
    """Attach the body, which goes to Kist block by block, or put it in the place of what was attached before."""
    told = Intent(name=f"{invoice.title}.pdf", type=request.headers.get("content-type", "application/pdf"))
    if invoice.file is None:
        invoice.file = (await kist.uploads.receive(user, told, request.stream())).id
    else:
        await kist.uploads.replace(user, invoice.file, told, request.stream())
    return invoice


@app.get("/invoices/{number}/file")
def download(invoice: Mine) -> RedirectResponse:
    """Let the mounted Kist answer: it knows the user by the same cookie."""
    return RedirectResponse(f"{files.address}/v1/files/{attached(invoice)}/content")


@app.post("/invoices/{number}/link")
async def link(user: User, invoice: Mine, kist: Files) -> dict[str, str]:
    """An address for the customer, who has no account: it works for an hour."""
    file = attached(invoice)
    made = await kist.links.make(user, [file])
    return {"url": f"{files.address}/l/{kist.links.token(made.links[file])}"}


def attached(invoice: Invoice) -> str:
    """The id of the file; 404 where none is attached yet."""
    if invoice.file is None:
        raise HTTPException(404, "nothing is attached to this invoice")
    return invoice.file
