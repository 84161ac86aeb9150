"""A live server of the project in this process, and somebody who uses its pages in a real browser.

The user is a script in a page of the same origin, which has the page to be used in a frame and tells the test what came
of it.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, override_settings
from django.test.testcases import LiveServerThread
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from tests.django_host import site
from tests.django_host.urls import urlpatterns as of_site

POLICY = "default-src 'self'; img-src 'self' data:; connect-src 'self' http://127.0.0.1:*"
"""No inline script and no inline style may run."""
DATA = bytes(range(256)) * 4096
_SCRIPT = """
<iframe id="page" style="width: 100%%; height: 90vh"></iframe>
<script type="module">
const frame = document.getElementById('page')
const loaded = () => new Promise(done => { frame.onload = () => done(frame.contentDocument) })
const pause = () => new Promise(done => setTimeout(done, 30))
const until = async look => {
  for (;; await pause()) {
    const seen = look()
    if (seen) return seen
  }
}
const bytes = await (await fetch('/bytes')).blob()
const choose = (page, name) => {
  const chooser = page.querySelector('.kist-upload-chooser')
  const chosen = new frame.contentWindow.DataTransfer()
  chosen.items.add(new frame.contentWindow.File([bytes], name, {type: 'text/plain'}))
  chooser.files = chosen.files
  chooser.dispatchEvent(new frame.contentWindow.Event('change', {bubbles: true}))
}
const said = page => page.querySelector('.kist-upload-said').value
const tell = what => fetch('/said', {method: 'POST', body: JSON.stringify(what)})
const use = async () => { %(use)s }
const done = use()  // which waits for the page before it is asked for
frame.src = '%(start)s'
done.then(tell, error => tell(`failed: ${error}, at ${frame.contentDocument?.URL}`))
</script>
"""

_said: queue.Queue[Any] = queue.Queue()
_page: list[str] = []
_session: list[str] = []


def _user(request: HttpRequest) -> HttpResponse:
    """The page of the user. The cookie comes with it: one that a script sets may come later than the next request."""
    answer = HttpResponse(_page[0])
    answer.set_cookie("sessionid", _session[0])
    return answer


def _bytes(request: HttpRequest) -> HttpResponse:
    return HttpResponse(DATA, content_type="application/octet-stream")


@csrf_exempt
def _told(request: HttpRequest) -> HttpResponse:
    _said.put(json.loads(request.body))
    return HttpResponse()


urlpatterns = [path("user", _user), path("bytes", _bytes), path("said", _told), *of_site]


def policy(answer: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: the site's pages come with a strict policy; the page of the user in the browser does not."""

    def answered(request: HttpRequest) -> HttpResponseBase:
        response = answer(request)
        if request.path != "/user":
            response["Content-Security-Policy"] = POLICY
        return response

    return answered


@contextmanager
def live() -> Iterator[str]:
    """The origin of the project, served in threads of this process."""
    middleware = [*site.MIDDLEWARE, f"{__name__}.policy"]
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware):
        server = LiveServerThread("127.0.0.1", StaticFilesHandler)
        server.daemon = True
        server.start()
        server.is_ready.wait()
        assert server.error is None, server.error
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.terminate()
            server.join()


def acting(who: Any, start: str, use: str) -> str:
    """The path of the page of a user who is signed in as ``who``, begins at ``start`` and does ``use``."""
    client = Client()
    client.force_login(who)
    _session[:] = [client.cookies["sessionid"].value]
    _page[:] = [f"<!doctype html><meta charset=utf-8>{_SCRIPT % {'start': start, 'use': use}}"]
    return "/user"


def told(patience: float) -> Any:
    """What the user in the browser says in the end."""
    return _said.get(timeout=patience)
