"""What stands above a signature says all that is signed: in the browser, by the modules that the page uses."""

import copy
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from chromium import Browser, Page

from scripts._pages import Pages
from scripts._wallets import Question
from theriac.crypto.recipients import HybridIdentity
from theriac.health import messages
from theriac.health.bundle import inbox_message
from theriac.health.delegations import Appoint
from theriac.health.guardians import Object, SetGuardians
from theriac.health.introduction import Introduction
from theriac.health.keystore import wrap_message
from theriac.health.messages import (
    DISOWN,
    SANCTIONED,
    Amend,
    Freshness,
    Grant,
    HandOver,
    Letter,
    Narrow,
    Publish,
    Report,
    Reseal,
    Resealing,
    Review,
    Revoke,
    RevokeEverything,
    Rotate,
    SetParent,
    SetPublisher,
    member_address,
)
from theriac.health.scope import ALL_CLASSES, PURPOSES, WORDS_OF_BIT, Purpose, mask_of
from theriac.ledger.typed import Domain, Message

ANN, BEA, CARL = ("0x" + digit * 40 for digit in "123")
NEW = "0x" + "9" * 40
START, END, SOON = 1893456000, 1896134400, 1893459617
FRESH = Freshness(7, 3, SOON)
TREAT = Purpose.parse("TREAT")
SCOPE = mask_of(ALL_CLASSES)

SAMPLES: tuple[Message, ...] = (
    Publish(ANN, 11, b"\x01" * 32, 3, SOON),
    Rotate(ANN, 11, b"\x01" * 32, BEA, 7, 3, SOON),
    SetPublisher(ANN, BEA, 7, 3, SOON),
    RevokeEverything(ANN, 3, SOON),
    HandOver(ANN, BEA, CARL, True, 7, 3, SOON),
    Grant(ANN, member_address(5), TREAT, SCOPE, START, END, FRESH, 0),
    Narrow(ANN, BEA, TREAT, 1 << 4, END, FRESH),
    Revoke(ANN, BEA, TREAT, FRESH),
    SetParent(ANN, 12, BEA, END, FRESH),
    Report(ANN, (b"\x01" * 32, b"\x02" * 32), 11, END, 3, SOON),
    Reseal(ANN, (Resealing(5, b"\x01" * 32, b"\x02" * 32),), 11, END, 3, SOON),
    Amend(ANN, DISOWN, b"\x01" * 32, b"\x02" * 32, 3, SOON),
    Letter(ANN, BEA, b"\x01" * 32, 7, 3, SOON),
    Review(ANN, 41, SANCTIONED, END, 3, SOON),
    SetGuardians(ANN, b"\x01" * 32, 7, 3, SOON),
    Object(ANN, 5, 3, SOON),
    Appoint(ANN, 12, BEA, SCOPE, 1 << TREAT.number, 2, END, FRESH),
)
MAILBOXES = {name: str(HybridIdentity.from_seed(name.encode() * 32).recipient) for name in "NRV"}


def questions() -> dict[str, dict[str, Any]]:
    """Everything that a patient's wallet is asked, as the page gets it."""
    known = {each.TYPE: each.signable(Domain(f"Theriac {each.CONTRACT}", "1", 8437422, CARL)) for each in SAMPLES}
    known |= {"Inboxes": inbox_message(ANN, MAILBOXES, 4), "Backup": wrap_message(ANN, 4)}
    return {name: Question(1, ANN, 0, message).shown() for name, message in known.items()}


QUESTIONS = questions()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page with the modules, and nobody behind it."""
    pages = Pages("wallet.html", {})
    with pages.serving():
        yield browser.open(f"{pages.origin}/catalogue.json")


SAY = """async ({ questions, language }) => {
  const { sentences, Unspeakable } = await import("/sentences.js");
  const { translator } = await import("/text.js");
  const t = translator(await (await fetch("/catalogue.json")).json(), language);
  const say = (each) => sentences(each, t).catch((fault) => {
    if (!(fault instanceof Unspeakable)) throw fault;
    return { unspeakable: fault.message };
  });
  return Promise.all(questions.map(say));
}"""


def say(page: Page, questions: list[dict[str, Any]], language: str) -> list[str]:
    """What stands above the signature, all of it as one text; nothing where the page refuses to show it."""
    said = page.evaluate(SAY, {"questions": questions, "language": language})
    return ["" if "unspeakable" in each else "\n".join([each["main"], *each["small"]]) for each in said]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in what is signed."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
        return
    yield path


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def others(value: Any) -> list[Any]:
    """Values that a field could have instead."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 0]
    if re.fullmatch(r"0x[0-9a-f]{40}", value):
        return [NEW, member_address(6), member_address(0)]
    if re.fullmatch(r"0x[0-9a-f]{64}", value):
        return [value[:-1] + "7"]
    return [value + "x", "payment", "imaging", value.replace(value[len(value) // 2], "q", 1)]


def changed(question: dict[str, Any]) -> list[dict[str, Any]]:
    """The question with one thing changed that is signed, in every way."""
    found = []
    for path in leaves({name: question["typed"][name] for name in ("message", "domain")}):
        for other in others(at(question["typed"], path)):
            if other == at(question["typed"], path):
                continue
            one = copy.deepcopy(question)
            at(one["typed"], path[:-1])[path[-1]] = other
            found.append(one)
    for name, value in question["typed"]["message"].items():
        if isinstance(value, list):
            shorter, longer = copy.deepcopy(question), copy.deepcopy(question)
            shorter["typed"]["message"][name].pop()
            longer["typed"]["message"][name].append(value[0])
            found += [shorter, longer]
    return found


def meaning(name: str, kind: str, value: Any, words: dict[str, str]) -> str:
    """What must stand in the text for a field."""
    if name in ("purpose", "purposes", "classes", "act", "verdict"):
        prefix = {"classes": "word:", "act": "act:", "verdict": "verdict:"}.get(name, "purpose:")
        return words[prefix + value]
    if kind == "address":
        return str(int(value, 16)) if int(value, 16) < 1 << 32 else value
    if kind == "uint40":
        moment = datetime.fromtimestamp(value, UTC)
        return f"{moment:%Y-%m-%d %H:%M}" + (f":{moment:%S}" if moment.second else "") + " UTC"
    if kind == "bool":
        return words["yes" if value else "no"]
    return str(value)


def fields_of(types: dict[str, Any], name: str, values: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for field in types[name]:
        kind, value = field["type"].removesuffix("[]"), values[field["name"]]
        for each in value if field["type"].endswith("[]") else [value]:
            if kind in types:
                yield from fields_of(types, kind, each)
            else:
                yield field["name"], kind, each


def test_samples__every_message_of_a_pseudonym__is_there() -> None:
    # given
    kinds = [each for _, each in inspect.getmembers(messages, inspect.isclass) if issubclass(each, Message)]

    # then: who adds a message adds its words to the catalogue and a sample here
    assert {type(each) for each in SAMPLES} >= {each for each in kinds if each is not Message}


# property W1
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", QUESTIONS)
def test_sentences__any_signed_field_changed__the_text_changes(page: Page, kind: str, language: str) -> None:
    # given
    question, one_off = QUESTIONS[kind], changed(QUESTIONS[kind])

    # when
    [original, *texts] = say(page, [question, *one_off], language)

    # then: nothing that is signed can be another while the text is the same
    assert original
    same = [each["typed"] for each, text in zip(one_off, texts, strict=True) if text == original]
    assert same == []


# property W1
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", [each.TYPE for each in SAMPLES])
def test_sentences__every_field__is_said(page: Page, kind: str, language: str) -> None:
    # given
    question = QUESTIONS[kind]
    catalogue = page.evaluate("async () => (await fetch('/catalogue.json')).json()")
    words = {key: each[language] for key, each in catalogue.items()}

    # when
    [text] = say(page, [question], language)

    # then
    typed = question["typed"]
    wanted = [meaning(*field, words) for field in fields_of(typed["types"], kind, typed["message"])]
    assert [each for each in wanted if each not in text] == []
    assert all(str(each) in text for each in typed["domain"].values())


def test_sentences__grant__reads_as_a_person_writes(page: Page) -> None:
    # given
    grant = Grant(ANN, member_address(5), TREAT, 1 << 4 | 1 << 60, START, END, FRESH)
    question = Question(1, ANN, 0, grant.signable(Domain("Theriac Grants", "1", 1, CARL))).shown()

    # when
    [english], [chinese] = (say(page, [question], language) for language in ("en", "zh"))

    # then
    assert english.split("\n") == [
        "You let member 5 read laboratory results and restricted records for treatment, from 2030-01-01 00:00 UTC "
        "until 2030-02-01 00:00 UTC.",
        f"It is signed for the account {ANN}.",
        "It stands under appointment number 0; 0 is you yourself.",
        "It counts once, as number 7.",
        "It counts in era 3 of the account, until everything is revoked.",
        "It must be on the chain by 2030-01-01 01:00:17 UTC.",
        f'It counts only at the contract "Theriac Grants" version 1, {CARL}, on the chain with the number 1.',
    ]
    assert chinese.split("\n")[0] == (
        "您允许成员 5出于治疗读取检验结果、受限记录，从 2030-01-01 00:00 UTC 到 2030-02-01 00:00 UTC。"
    )


def test_sentences__introduction__is_read_from_the_text_that_is_signed(page: Page) -> None:
    # given
    inboxes = messages_inboxes()
    paper = Introduction(ANN, 5, inboxes)
    question = Question(1, ANN, 0, paper.message()).shown()
    other = Question(1, ANN, 0, Introduction(ANN, 6, inboxes).message()).shown()
    hidden = {**question, "text": question["text"].replace(MAILBOXES["R"], MAILBOXES["V"])}

    # when
    [first, second, third] = say(page, [question, other, hidden], "en")

    # then
    assert first.startswith(f"You introduce the account {ANN} to member 5, which may then write records for you.")
    assert len({first, second, third}) == 3


def messages_inboxes() -> Any:
    from theriac.health.bundle import Inboxes

    return Inboxes(ANN, MAILBOXES, 1, "00")


# property W2
@pytest.mark.parametrize(
    "change",
    [
        lambda typed: typed.update(primaryType="Permit"),
        lambda typed: typed["message"].update(extra=1),
        lambda typed: typed["message"].pop("era"),
        lambda typed: typed["types"]["Grant"].append({"name": "bonus", "type": "uint32"}),
        lambda typed: typed["types"]["Grant"].append({"name": "era", "type": "uint32"}),
        lambda typed: typed["types"]["EIP712Domain"].append({"name": "salt", "type": "bytes32"}),
        lambda typed: typed["message"].update(expiry="soon"),
        lambda typed: typed["message"].update(expiry=2**60),
        lambda typed: typed["message"].update(pseudonym="nobody"),
        lambda typed: typed["message"].update(classes="laboratory"),
    ],
)
def test_sentences__something_without_words__is_not_offered(page: Page, change: Any) -> None:
    # given
    question = copy.deepcopy(QUESTIONS["Grant"])
    change(question["typed"])

    # then
    assert say(page, [question], "en") == [""]


def test_sentences__text_of_another_kind__is_not_offered(page: Page) -> None:
    # given
    texts = ["Sign in to example.org", "Theriac introduction\n{", 'Theriac introduction\n{"kind":"introduction"}']

    # then
    assert say(page, [{"number": 1, "text": text} for text in texts], "zh") == ["", "", ""]


def test_catalogue__both_languages__have_the_same_placeholders_and_every_word(page: Page) -> None:
    # given
    catalogue = page.evaluate("async () => (await fetch('/catalogue.json')).json()")

    # then
    assert {key for key, each in catalogue.items() if set(each) != {"en", "zh"} or not all(each.values())} == set()
    holders = {
        key: [sorted(re.findall(r"{\w+}", each[name])) for name in ("en", "zh")] for key, each in catalogue.items()
    }
    assert {key for key, (english, chinese) in holders.items() if english != chinese} == set()
    needed = {f"class:{each}" for each in ALL_CLASSES} | {f"purpose:{each.words}" for each in PURPOSES}
    needed |= {f"word:{each}" for each in WORDS_OF_BIT.values()} | {f"act:{each}" for each in messages.ACTS.values()}
    needed |= {f"verdict:{each}" for each in messages.VERDICTS.values()}
    assert needed - set(catalogue) == set()
    # then: two things that are told apart are called apart
    for prefix in ("class:", "purpose:", "word:", "act:", "verdict:"):
        for language in ("en", "zh"):
            said = [each[language] for key, each in catalogue.items() if key.startswith(prefix)]
            assert len(said) == len(set(said))
