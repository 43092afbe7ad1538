"""A reader's page in a real Chromium: a clinic reads what a patient granted, until she revokes it."""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from chromium import Browser, Page
from pages_town import RECORDS, Served, served
from scripts_town import Town

ROOT = Path(__file__).resolve().parent.parent.parent
GRADIENT = ROOT / "examples" / "dicom" / "gradient.dcm"
COMMAND = "import sys; from scripts.clinic import cli; cli(sys.argv[1:], prog_name='clinic')"
HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'


def paper(words: str) -> bytes:
    """A PDF of one page."""
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R"
        b" /Resources << /Font << /F 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\nBT /F 18 Tf 20 100 Td (%s) Tj ET\nendstream" % (len(words) + 32, words.encode()),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, 2)
    for number, part in enumerate(parts, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, part))
    start = out.tell()
    out.write(b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


@pytest.fixture(scope="module")
def dora(town: Town) -> str:
    """A patient with results, a note, an image and a PDF, who lets the clinic read most of it."""
    town.patient("dora", payer="TEST::7")
    files = {f"result-{number}.json": json.dumps(each).encode() for number, each in enumerate(RECORDS)}
    files["hostile.json"] = json.dumps(
        {
            **RECORDS[0],
            "code": {"text": HOSTILE},
            "note": [{"text": HOSTILE}],
            "text": {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{HOSTILE}Seen.</div>'},
        }
    ).encode()
    files["modified.json"] = json.dumps(
        {**RECORDS[2], "modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    ).encode()
    files["letter.pdf"] = paper("Discharge letter")
    files["image.dcm"] = GRADIENT.read_bytes()
    paths = []
    for name, content in files.items():
        (town.folder / name).write_bytes(content)
        paths.append(town.folder / name)
    pdf = paths.pop(-2)
    town.done("clinic", "seal", "dora", *map(str, paths))
    town.done("clinic", "seal", "dora", str(pdf), "--class", "documents/N")
    town.done("patient", "watch", "--as", "dora")
    return "dora"


CLASSES = ("laboratory/N", "immunizations/N", "imaging/N", "documents/N")


def grant(town: Town, who: str, purpose: str) -> None:
    named = [word for cls in CLASSES for word in ("--class", cls)]
    town.done("patient", "grant", "member:1", *named, "--purpose", purpose, "--days", "30", "--as", who, "--yes")


@pytest.fixture(scope="module")
def desk(town: Town, dora: str) -> Iterator[Served]:
    """The clinic's page, where dora lets it read for treatment."""
    grant(town, dora, "TREAT")
    with served(town, "--as", "clinic", command=COMMAND) as page:
        yield page


def opened(desk: Served, browser: Browser, purpose: str = "treatment") -> Page:
    """The page with the patient's records listed."""
    page = desk.open(browser)
    page.css("#patients .pick").with_text(purpose).click()
    page.css("#records .line").with_text("Haemoglobin A1c").seen()
    return page


def read(page: Page, title: str) -> str:
    """Opens a record; what the page says of it."""
    page.css("#records .line").with_text(title).click()
    page.css("#record-section").seen()
    page.css("#receipt").seen()
    return page.css("#record").read()


def back(page: Page) -> None:
    page.button("Back to the list").click()
    page.css("#records-section").seen()


def test_records__by_class_and_date__and_a_result_as_text(desk: Served, browser: Browser) -> None:
    # given
    page = opened(desk, browser)

    # when
    lines = page.evaluate("() => [...document.querySelectorAll('#records .line')].map((each) => each.offsetHeight)")
    groups = page.evaluate("() => [...document.querySelectorAll('#records h3')].map((each) => each.textContent)")
    said = read(page, "Haemoglobin A1c")

    # then
    # a title stands in a line, not a letter under the other
    assert max(lines) < 150
    assert groups == ["Documents", "Imaging", "Immunizations", "Laboratory"]
    assert page.css("#record-title").read() == "Observation: Haemoglobin A1c"
    assert "5.6 %" in said
    assert "North Clinic" in said
    assert "A receipt of this opening is signed." in said
    assert [each for each in page.said() if not each.startswith("log")] == []


# property W10
def test_open__signs_a_receipt_each_time(desk: Served, browser: Browser, town: Town) -> None:
    # given
    page = opened(desk, browser)
    before = page.css("#send").count() and page.evaluate("() => document.getElementById('send').textContent")

    # when
    read(page, "Cholesterol")
    back(page)
    read(page, "Cholesterol")
    back(page)
    after = page.css("#send").read()

    # then
    first = int(before.split("(")[1].rstrip(")")) if before.strip() else 0
    assert after == f"Send receipts ({first + 2})"

    # when
    page.css("#send").click()
    page.css("#job").with_text("The receipts are logged and on their way to the patients.").seen()

    # then
    page.css("#send").gone()


def test_image__is_shown_as_it_is(desk: Served, browser: Browser, town: Town) -> None:
    # given
    page = opened(desk, browser)

    # when
    page.css("#filter").fill("imaging")
    read(page, "")
    size = page.evaluate(
        """async () => {
          const image = document.querySelector("#record img");
          while (!image.complete || !image.naturalWidth) await new Promise((done) => setTimeout(done, 20));
          const canvas = new OffscreenCanvas(64, 64).getContext("2d");
          canvas.drawImage(image, 0, 0);
          const row = canvas.getImageData(0, 32, 64, 1).data;
          return [image.naturalWidth, image.naturalHeight, row[0], row[4 * 63], image.alt !== ""];
        }"""
    )

    # then: as the file's own pixels are, from dark to light
    pixels = pydicom.dcmread(GRADIENT).pixel_array.astype(float)
    expected = [(pixels[32, x] - pixels.min()) * 255 / (pixels.max() - pixels.min()) for x in (0, 63)]
    assert size[:2] == [64, 64]
    assert size[4]
    assert size[2:4] == pytest.approx(expected, abs=1)
    assert size[2] < size[3]


def test_pdf__comes_whole_and_as_nothing_else(desk: Served, browser: Browser, town: Town) -> None:
    # given
    page = opened(desk, browser)

    # when
    read(page, "letter.pdf")
    page.css("#paper-link").seen()
    target = town.folder / "saved.pdf"
    page.download("Save the file", target)

    # then
    assert page.css("#paper-link").attribute("href").startswith(f"blob:{desk.origin}/")
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(paper("Discharge letter")).digest()


# property W11
def test_hostile_record__is_text_and_runs_nothing(desk: Served, browser: Browser) -> None:
    # given
    page = opened(desk, browser)

    # when
    said = read(page, "onerror")

    # then
    assert HOSTILE in said
    assert "Seen." in said
    assert page.evaluate("() => window.hurt ?? null") is None
    assert page.css("#record img").count() == 0


def test_modifier__is_told_before_anything_else(desk: Served, browser: Browser) -> None:
    page = opened(desk, browser)
    page.css("#filter").fill("immunization")
    assert page.css("#records .line").count() == 2

    cautions = []
    for number in range(2):
        page.evaluate("(number) => document.querySelectorAll('#records .line')[number].click()", number)
        page.css("#receipt").seen()
        cautions.append(page.css("#record .fault").count())
        back(page)
    assert sorted(cautions) == [0, 1]


# property W12
def test_revoke__says_so_and_opens_nothing_more(desk: Served, browser: Browser, town: Town, dora: str) -> None:
    # given
    grant(town, dora, "COC")
    page = desk.open(browser)
    page.button("Look for news").click()
    page.css("#patients .pick").with_text("coordination").click()
    page.css("#records .line").with_text("Cholesterol").seen()
    shown = read(page, "Cholesterol")
    back(page)

    # when
    town.done("patient", "revoke", "member:1", "--purpose", "COC", "--as", dora, "--yes")
    page.css("#records .line").with_text("Haemoglobin A1c").click()
    page.css("#job.failed").seen()
    page.button("Look for news").click()
    page.css("#standing .fault").seen()

    # then
    assert "Cholesterol" in shown or "4.9" in shown
    assert page.css("#standing .fault").read() == (
        "You may not read this patient's records any more: not on the chain."
    )
    assert page.css("#records .line").count() == 0
    assert page.css("#record-section .card").count() == 0
    assert "4.9" not in page.css("body").read()


def test_page__in_chinese_on_a_phone__fits_and_has_a_word_for_everything(desk: Served, browser: Browser) -> None:
    # given
    phone = {"viewport": {"width": 360, "height": 740}, "locale": "zh-CN", "isMobile": True, "hasTouch": True}
    page = desk.open(browser, options=phone)
    page.css("#patients .pick").with_text("治疗").click()
    page.css("#records .line").with_text("Haemoglobin A1c").click()
    page.css("#receipt").seen()

    # then
    assert page.evaluate("() => document.documentElement.lang") == "zh-Hans"
    assert "已为此次打开签署回执" in page.css("#record").read()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert [each for each in page.said() if each.startswith("error")] == []


def test_keyboard__reaches_a_record_and_comes_back(desk: Served, browser: Browser) -> None:
    # given
    page = desk.open(browser)
    page.css("#patients .pick").with_text("treatment").seen()

    # when
    page.evaluate("() => document.querySelector('#patients .pick').focus()")
    page.press("Enter")
    page.css("#records .line").with_text("Haemoglobin A1c").seen()
    page.evaluate("() => document.querySelector('#records .line').focus()")
    page.press("Enter")
    page.css("#receipt").seen()

    # then: what was opened has the focus
    assert page.evaluate("() => document.activeElement.id") == "record-title"


# property W11
def test_content__only_of_what_is_open__and_never_as_a_page(desk: Served, browser: Browser) -> None:
    # given
    page = opened(desk, browser)
    read(page, "onerror")
    ask = """async ([number, session]) => {
      const answer = await fetch("/api/content", {
        method: "POST",
        headers: { "Content-Type": "application/json", ...(session ? { Authorization: `Bearer ${session}` } : {}) },
        body: JSON.stringify({ number, what: "bytes" }),
      });
      return [answer.status, answer.headers.get("Content-Type"), answer.headers.get("X-Content-Type-Options")];
    }"""
    session = page.evaluate("() => sessionStorage.getItem('theriac-session')")
    number = page.evaluate(
        """async (session) => {
          const answer = await fetch("/api/news", {
            method: "POST",
            headers: { "Content-Type": "application/json", Authorization: `Bearer ${session}` },
            body: JSON.stringify({ after: -1 }),
          });
          return (await answer.json()).opened.number;
        }""",
        session,
    )

    # then
    assert page.evaluate(ask, [number, session]) == [200, "application/octet-stream", "nosniff"]
    assert page.evaluate(ask, [number, ""])[0] == 401
    assert page.evaluate(ask, ["0" * 16, session])[0] == 404

    # when
    back(page)

    # then
    assert page.evaluate(ask, [number, session])[0] == 404


def test_bodies__hold_no_key(desk: Served, browser: Browser, town: Town) -> None:
    # given
    page = opened(desk, browser)
    read(page, "Haemoglobin A1c")

    # then
    whole = "".join(page.bodies())
    assert "Haemoglobin" in whole
    assert "AGE-SECRET-KEY" not in whole.upper()
    assert '"key"' not in whole
    assert '"nodes"' not in whole


def test_pictures__of_the_readers_page__are_small(desk: Served, browser: Browser, tmp_path: Path) -> None:
    # given
    folder = Path(os.environ.get("THERIAC_SCREENSHOTS") or tmp_path)
    page = opened(desk, browser)

    # when
    page.evaluate("() => document.fonts.ready.then(() => null)")
    page.picture(folder / "reader-page.png")
    read(page, "Cholesterol")
    page.picture(folder / "reader-page-record.png")

    # then
    sizes = [(folder / name).stat().st_size for name in ("reader-page.png", "reader-page-record.png")]
    assert all(5_000 < size < 150_000 for size in sizes)
