"""The probe: asks a server by trying it, before signatures for it are handed out.

Each question is a function from the scene to words, empty (``HELD``) when the server gave the safe answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from hashlib import sha256

from kist.errors import KistError
from kist.model.profile import HELD, Check
from kist.ports.system import Ids
from kist.stores.s3.presigning import Presigner
from kist.stores.s3.probe import cors, forms, smuggling, urls, works
from kist.stores.s3.probe.scene import OWNERS, PRIVATE, Reply, Scene
from kist.stores.s3.sender import Sender
from kist.stores.s3.together import Together
from kist.stores.s3.transport import Transport

Question = Callable[[Scene], Awaitable[str]]

_CLOCKS_APART = 300.0  # seconds: signatures for browsers are often made for as long

_QUESTIONS: dict[Check, Question] = {
    Check.WRONG_SIGNATURE: urls.wrong_signature,
    Check.OTHER_KEY: urls.other_key,
    Check.OTHER_METHOD: urls.other_method,
    Check.EXPIRED_URL: urls.expired_url,
    Check.SIGNED_LENGTH: urls.signed_length,
    Check.SIGNED_TYPE: urls.signed_type,
    Check.SIGNED_MD5: urls.signed_md5,
    Check.SIGNED_ACL: urls.signed_acl,
    Check.PUT_COPY_SOURCE: smuggling.put_copy_source,
    Check.PUT_ACL: smuggling.put_acl,
    Check.PUT_WORKS: works.put_works,
    Check.PART_WORKS: works.part_works,
    Check.PART_LENGTH: works.part_length,
    Check.PART_COPY_SOURCE: smuggling.part_copy_source,
    Check.SEALING: works.sealing,
    Check.CHECKSUM_SHA256: urls.checksum_sha256,
}
_OF_FORMS: dict[Check, Question] = {
    Check.FORM_SIGNATURE: forms.signature,
    Check.FORM_SIZE: forms.size,
    Check.FORM_KEY: forms.key,
    Check.FORM_TYPE: forms.media_type,
    Check.FORM_ACL: forms.acl,
    Check.FORM_EXTRA_FIELD: forms.extra_field,
    Check.FORM_EXPIRED: forms.expired,
}
_WRITES = (Check.PUT_WORKS, Check.PART_WORKS, Check.FORM_WORKS)


class Prober:
    """Probes the server that tickets are signed for."""

    def __init__(
        self, sender: Sender, presigner: Presigner, transport: Transport, ids: Ids, together: Together
    ) -> None:
        self._sender = sender
        self._presigner = presigner
        self._transport = transport
        self._ids = ids
        self._together = together

    def profile_id(self, bucket: str) -> str:
        facts = (self._presigner.addresses.of(bucket).url(), bucket, self._presigner.writing_key)
        return sha256("\n".join(facts).encode()).hexdigest()[:32]

    async def probe(self, bucket: str, origins: Sequence[str]) -> dict[str, str]:
        """See the port. Needs the main key to write, and the public endpoint to answer at all."""
        scene = Scene(bucket, self._ids.token(), self._sender, self._presigner, self._transport)
        try:
            answers = await self._ask(scene, origins)
        except BaseException:
            await scene.clean()
            raise
        leftover = await scene.clean()
        for check in _WRITES:
            answers[check] = answers[check] or leftover
        return {check.value: answers[check] for check in Check}

    async def _ask(self, scene: Scene, origins: Sequence[str]) -> dict[Check, str]:
        greeting = await scene.send(scene.plain("GET"))
        await scene.write(scene.victim, scene.secret)
        answers = {Check.CLOCK: _clock(scene, greeting), Check.PRIVATE_ACL: await _asked(_private_acl, scene)}
        if answers[Check.PRIVATE_ACL] != HELD:
            scene.acl = OWNERS
        questions: dict[Check, Question] = {
            **_QUESTIONS,
            Check.CORS: partial(cors.preflights, origins=origins),
            Check.ETAG_EXPOSED: partial(cors.etag_exposed, origins=origins),
        }
        each = [_answer(answers, scene, check, question) for check, question in questions.items()]
        await self._together([*each, self._forms(answers, scene)])
        return answers

    async def _forms(self, answers: dict[Check, str], scene: Scene) -> None:
        """Refusals prove something only where a right form is taken."""
        await _answer(answers, scene, Check.FORM_WORKS, forms.works)
        if answers[Check.FORM_WORKS] != HELD:
            answers.update(dict.fromkeys(_OF_FORMS, f"not asked: {answers[Check.FORM_WORKS]}"))
            return
        await self._together([_answer(answers, scene, check, question) for check, question in _OF_FORMS.items()])


async def _answer(answers: dict[Check, str], scene: Scene, check: Check, question: Question) -> None:
    answers[check] = await _asked(question, scene)


async def _asked(question: Question, scene: Scene) -> str:
    try:
        return await question(scene)
    except KistError as error:
        return f"no answer: {error.message}"


async def _private_acl(scene: Scene) -> str:
    """Whether ``private`` is taken, and leaves the main key able to read."""
    place = scene.place("private")
    reply = await scene.send(scene.ticket(place))
    if not reply.taken:
        return f"{PRIVATE}: {reply.words}"
    try:
        await scene.look(place)
    except KistError as error:
        return f"{PRIVATE}: {reply.status}, but the main key cannot read it: {error.message}"
    return await forms.private_taken(scene, OWNERS)


def _clock(scene: Scene, greeting: Reply) -> str:
    headers: Mapping[str, str] = greeting.headers
    try:
        apart = (scene.now - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError):
        return "the server does not tell its time"
    if abs(apart) < _CLOCKS_APART:
        return HELD
    return f"this machine's clock is {abs(apart):.0f} seconds {'ahead of' if apart > 0 else 'behind'} the server's"
