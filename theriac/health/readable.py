"""Pages that people read: what is granted, and the summary, in English and in Chinese.

One file each, with nothing to load and no script; whatever a stranger wrote is text in them and never markup.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from theriac.health.consents import Stated, Terms
from theriac.health.ips import Section, Source, Summary
from theriac.health.scope import ALL_CLASSES, Category, Level

LANGUAGES = ("en", "zh")

_CATEGORIES = {
    Category.ALLERGIES: ("allergies", "过敏"),
    Category.CONDITIONS: ("conditions", "疾病诊断"),
    Category.MEDICATIONS: ("medications", "用药"),
    Category.IMMUNIZATIONS: ("immunizations", "预防接种"),
    Category.LABORATORY: ("laboratory", "检验"),
    Category.IMAGING: ("imaging", "影像"),
    Category.PROCEDURES: ("procedures", "手术与操作"),
    Category.ENCOUNTERS: ("encounters and notes", "就诊与病程记录"),
    Category.VITALS: ("vitals and devices", "生命体征与器械"),
    Category.CHECKUPS: ("checkups", "体检"),
    Category.FAMILY_HISTORY: ("family history", "家族史"),
    Category.PATIENT_REPORTED: ("patient reported", "本人自述"),
    Category.CLAIMS: ("claims", "医疗费用"),
    Category.ADMINISTRATIVE: ("personal details", "个人信息"),
    Category.CARE_PLANS: ("care plans", "照护计划"),
    Category.DOCUMENTS: ("documents", "文书"),
    Category.SOCIAL_HISTORY: ("social history", "生活史"),
    Category.GENOMICS: ("genomics", "基因"),
    Category.MENTAL_HEALTH: ("mental health", "精神健康"),
    Category.SUBSTANCE_USE: ("substance use", "物质使用"),
    Category.SEXUAL_HEALTH: ("sexual and reproductive health", "性与生殖健康"),
    Category.MIXED: ("records of several categories", "跨类别记录"),
    Category.UNSORTED: ("records not yet sorted", "未归类记录"),
}
_LEVELS = {
    Level.N: ("normal confidentiality", "普通"),
    Level.R: ("restricted", "限制"),
    Level.V: ("very restricted", "严格限制"),
}
_PURPOSES = {
    "TREAT": "治疗",
    "ETREAT": "急诊治疗",
    "CAREMGT": "照护管理",
    "COC": "照护协调",
    "HPAYMT": "付费",
    "COVERAGE": "保险保障",
    "CLMATTCH": "理赔附件",
    "PUBHLTH": "公共卫生",
    "HQUALIMP": "质量改进",
    "FAMRQT": "家属请求",
    "PATRQT": "患者请求",
    "PWATRNY": "授权委托",
}
_SECTIONS = {
    "allergies": "过敏与不耐受",
    "medications": "用药摘要",
    "problems": "问题清单",
    "immunizations": "预防接种",
    "results": "检查检验结果",
    "procedures": "手术与操作史",
    "devices": "医疗器械",
    "directives": "预立医疗指示",
    "alerts": "警示",
    "past-problems": "既往病史",
    "pregnancy": "妊娠史",
    "plans": "照护计划",
    "social-history": "生活史",
    "vitals": "生命体征",
}
WORDS = {
    "title": ("Who may read my records", "谁可以读取我的记录"),
    "notice": (
        "This page is a statement, not the authority. Who may read is decided by the contract on the ledger and by "
        "keys: a grant counts only as it stands there. A revoke cannot take back what was already read.",
        "本页只是说明，并非授权本身。谁可以读取，由账本上的合约和密钥决定；授权以账本上的记载为准。撤销不能收回已经读过的内容。",
    ),
    "none": ("Nothing is granted.", "目前没有任何授权。"),
    "reader": ("Reader", "读取者"),
    "purpose": ("Purpose", "目的"),
    "what": ("What", "内容"),
    "history": ("History", "历史记录"),
    "from": ("From", "开始"),
    "until": ("Until, not included", "截止（不含）"),
    "now": ("Now", "现在"),
    "grant": ("On the ledger", "账本上的授权"),
    "all": ("everything", "全部"),
    "all of level": ("everything of", "全部："),
    "all history": ("also all that was recorded before", "包括此前的全部记录"),
    "since": ("what is recorded since", "自此时间起的记录："),
    "open": ("may read", "可以读取"),
    "not begun": ("not yet", "尚未开始"),
    "over": ("over", "已结束"),
    "gone": ("not on the ledger as stated", "与账本不符"),
    "summary": ("Patient summary", "患者摘要"),
    "when": ("When", "时间"),
    "details": ("Details", "详情"),
    "source": ("Source", "来源"),
    "withheld": ("Withheld by the patient.", "患者选择不提供。"),
    "unavailable": ("No information.", "没有信息。"),
    "more": ("earlier ones of the same kinds are left out.", "条同类的较早记录未列出。"),
    "made": ("Made", "生成时间"),
    "of summary": (
        "Made by the patient's own program from records that she opened. Each line names who recorded it on the "
        "ledger and when. It is no more complete than those records.",
        "由患者自己的程序根据其打开的记录生成。每一行注明谁在何时将其记入账本。内容不会比这些记录更完整。",
    ),
    "her": ("the patient", "患者本人"),
    "member": ("member", "成员"),
    "left": ("Left out", "未列出的内容"),
}
"""English and Chinese of everything that the pages say themselves."""


@dataclass(frozen=True)
class Shown:
    """A grant to show; `state` is one of `open`, `not begun`, `over`, `gone`."""

    terms: Terms
    stated: Stated
    name: str
    state: str


def grants_page(grants: Sequence[Shown], *, language: str, now: datetime) -> str:
    """What is granted, as a page."""
    say = _words(language)
    body = "".join(_grant(each, language) for each in grants) or f"<p>{say('none')}</p>"
    made = f"<p>{say('made')}: {_moment(now)}</p>"
    return _page(say("title"), f'<p class="notice">{say("notice")}</p>{body}{made}', language=language)


def grants_text(grants: Sequence[Shown], *, language: str) -> str:
    """The same as plain text."""
    place = LANGUAGES.index(language)
    lines = [WORDS["notice"][place], ""]
    for each in grants:
        lines += [f"{head}: {said}" for head, said in rows_of(each, language)] + [""]
    return "\n".join(lines if grants else [*lines, WORDS["none"][place]]) + "\n"


def rows_of(shown: Shown, language: str) -> list[tuple[str, str]]:
    """A grant in words, plain text."""
    place = LANGUAGES.index(language)
    terms, stated = shown.terms, shown.stated
    number = int(terms.reader, 16)
    who = f"{WORDS['member'][place]} {number}" if number < 1 << 32 else terms.reader
    purpose = terms.purpose.words if place == 0 else _PURPOSES[terms.purpose.code]
    since = "" if terms.since is None else f"{WORDS['since'][place]} {_moment(terms.since)}"
    start = terms.start or datetime.fromtimestamp(stated.start, UTC)
    said = {
        "reader": f"{shown.name} ({who})" if shown.name else who,
        "purpose": f"{purpose} ({terms.purpose.code})",
        "what": _classes(terms, place),
        "history": since or WORDS["all history"][place],
        "from": _moment(start),
        "until": _moment(terms.end),
        "now": WORDS[shown.state][place],
        "grant": f"chain {stated.ledger.chain_id}, {stated.ledger.grants}, {stated.pseudonym}, nonce {stated.nonce}, "
        f"{stated.digest}",
    }
    return [(WORDS[name][place], _plain(words)) for name, words in said.items()]


def _classes(terms: Terms, place: int) -> str:
    if set(terms.classes) == set(ALL_CLASSES):
        return WORDS["all"][place]
    comma, parts, left = (", ", "、")[place], [], set(terms.classes)
    for level in Level:
        whole = {each for each in ALL_CLASSES if each.level is level}
        if whole <= left:
            parts.append(f"{WORDS['all of level'][place]} {_LEVELS[level][place]}")
            left -= whole
    parts += [
        f"{_CATEGORIES[each.category][place]} ({_LEVELS[each.level][place]})" for each in ALL_CLASSES if each in left
    ]
    return comma.join(parts)


def _grant(shown: Shown, language: str) -> str:
    rows = "".join(
        f"<tr><th>{escape(head)}</th><td>{escape(said)}</td></tr>" for head, said in rows_of(shown, language)
    )
    return f"<table>{rows}</table>"


# -- the summary -----------------------------------------------------------------------------------------------------


def summary_page(summary: Summary, *, language: str, digests: bool = True) -> str:
    """The summary as a page."""
    say = _words(language)
    title = f"{say('summary')}: {escape(_plain(summary.patient))}" if summary.patient else say("summary")
    sections = "".join(_section(each, language, digests=digests) for each in summary.sections)
    told = "".join(f"<li>{escape(_plain(each))}</li>" for each in summary.told)
    left = f"<h2>{say('left')}</h2><ul>{told}</ul>" if told else ""
    made = f"<p>{say('made')}: {_moment(summary.made)}</p>"
    return _page(title, f'<p class="notice">{say("of summary")}</p>{sections}{left}{made}', language=language)


def _section(section: Section, language: str, *, digests: bool) -> str:
    say, place = _words(language), LANGUAGES.index(language)
    title = section.title if place == 0 else _SECTIONS[section.name]
    if not section.lines:
        return f"<h2>{escape(title)}</h2><p>{say(section.empty)}</p>"
    heads = "".join(f"<th>{say(each)}</th>" for each in ("what", "when", "details", "source"))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(_plain(cell))}</td>"
            for cell in (
                line.what,
                line.date,
                line.details,
                "; ".join(_source(each, place, digests=digests) for each in line.sources),
            )
        )
        + "</tr>"
        for line in section.lines
    )
    more = f"<p>{section.more} {say('more')}</p>" if section.more else ""
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h2>{escape(title)}</h2>{table}{more}"


def _source(source: Source, place: int, *, digests: bool) -> str:
    number = f"{WORDS['member'][place]} {source.member}"
    who = f"{source.name} ({number})" if source.member else WORDS["her"][place]
    anchored = source.anchored.astimezone(UTC)
    return f"{who}, {_moment(anchored)}, {source.digest[:16]}" if digests else f"{who}, {anchored:%Y-%m-%d}"


# -- the page --------------------------------------------------------------------------------------------------------

_STYLE = (
    "body{font:16px/1.5 system-ui,'Noto Sans SC',sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#111;background:#fff}table{border-collapse:collapse;width:100%;margin:1rem 0}"
    "th,td{border:1px solid #767676;padding:.35rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    ".notice{border-left:.3rem solid #111;padding-left:.8rem}"
)


def _page(title: str, body: str, *, language: str) -> str:
    """:param title: and `body` are markup already."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="{("en", "zh-Hans")[LANGUAGES.index(language)]}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )


def _words(language: str) -> Callable[[str], str]:
    """The page's own words, as markup."""
    place = LANGUAGES.index(language)
    return lambda name: escape(WORDS[name][place])


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
