"""A result to HTML: what the templates need, computed once, so that they hold no logic."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from fauxto.models import BundleConfig
from fauxto.record import Evidence, Record, printable_json
from fauxto.report.pictures import Pictures
from fauxto.report.words import CLAIMS, PLACES, SOURCES, STRENGTHS, VERDICTS, Wording

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).parent
ASSETS = _HERE / "assets"
TEMPLATES = _HERE / "templates"

_EDGE = 0.08  # how near to an end of the scale a label may stand in its middle


class Shown(BaseModel):
    """One result with its pictures: what a card is made from, and what the page hands back for a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    record: Record
    pictures: Pictures = Pictures()


@dataclass(frozen=True)
class Mark:
    """A place on the scale of the score, in [0, 1], how its label is aligned there and its decimals."""

    value: float
    anchor: str
    digits: int

    @property
    def percent(self) -> str:
        """The place as an SVG length."""
        return f"{100 * self.value:.2f}%"

    @property
    def text(self) -> str:
        """The place as a person reads it."""
        return f"{self.value:.{self.digits}f}"


@dataclass(frozen=True)
class Scale:
    """The score between its two thresholds."""

    score: Mark
    no_sign: Mark
    ai: Mark

    @property
    def between(self) -> str:
        """Width of the middle zone as an SVG length."""
        return f"{100 * (self.ai.value - self.no_sign.value):.2f}%"

    @property
    def above(self) -> str:
        """Width of the upper zone as an SVG length."""
        return f"{100 * (1 - self.ai.value):.2f}%"

    @property
    def words(self) -> str:
        """The drawing in a sentence."""
        return (
            f"Score {self.score.text} on a scale from 0 to 1. Below {self.no_sign.text} the model sees no "
            f"sign of AI, from {self.ai.text} on it says AI, between them it cannot tell."
        )


@dataclass(frozen=True)
class Row:
    """One row of evidence in words."""

    source: str
    claim: str
    kind: str
    detail: str
    data: str


@dataclass(frozen=True)
class Group:
    """The rows of evidence of one strength."""

    name: str
    meaning: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Card:
    """Everything that a card shows."""

    id: str
    key: str
    words: Wording
    record: Record
    pictures: Pictures
    scale: Scale | None
    no_scale: str
    groups: tuple[Group, ...]
    limits: tuple[str, ...]
    domain: str

    @property
    def pixels(self) -> int:
        """Width times height, for sorting."""
        return self.record.image.width * self.record.image.height if self.record.image else 0


def card_of(shown: Shown, configs: Mapping[str, BundleConfig], identifier: str) -> Card:
    """The card of a result.

    Args:
        shown: the result.
        configs: of the models by name; one of another version than the record's is not used.
        identifier: of the card within its page.
    """
    record = shown.record
    key = record.verdict or "error"
    config = configs.get(record.model.name) if record.model else None
    if config is not None and record.model is not None and config.version != record.model.version:
        config = None
    return Card(
        id=identifier,
        key=key,
        words=VERDICTS[key],
        record=record,
        pictures=shown.pictures,
        scale=_scale(record.score, config),
        no_scale=_why_no_scale(record, config),
        groups=tuple(_groups(record)),
        limits=config.limits if config else (),
        domain=config.domain.content if config else "",
    )


def _scale(score: float | None, config: BundleConfig | None) -> Scale | None:
    if score is None or config is None or not config.thresholds.fitted:
        return None
    thresholds = config.thresholds.as_thresholds()
    low, high, digits = thresholds.no_sign, thresholds.ai, thresholds.digits(score)
    # Labels of thresholds that lie close together stand away from each other.
    close = high - low < 2 * _EDGE
    return Scale(
        Mark(score, _anchor(score), digits),
        Mark(low, _anchor(low, "end" if close else "middle"), digits),
        Mark(high, _anchor(high, "start" if close else "middle"), digits),
    )


def _why_no_scale(record: Record, config: BundleConfig | None) -> str:
    """What stands where the scale would be; empty where there is one, or nothing was judged."""
    if record.status != "ok":
        return ""
    if record.score is None:
        who = f"the model {record.model.name} does not judge" if record.model else "no model here judges"
        return f"No score: {who} a picture like this one."
    if config is None:
        return f"Score {record.score:.2f}. Its model is not installed here, so its thresholds are not known."
    if not config.thresholds.fitted:
        return (
            f"Score {record.score:.2f}. Nobody has set thresholds for this model yet, so it decides nothing."
        )
    return ""


def _anchor(value: float, inside: str = "middle") -> str:
    """How a label is aligned at this place, so that no end of the scale cuts it off."""
    if value < _EDGE:
        return "start"
    return "end" if value > 1 - _EDGE else inside


def _groups(record: Record) -> list[Group]:
    rows = [row for row in record.evidence if row.claim != "not-checked"]
    groups = [
        Group(name, meaning, tuple(_row(row) for row in rows if row.strength == strength))
        for strength, (name, meaning) in STRENGTHS.items()
    ]
    unread = tuple(_row(row) for row in record.evidence if row.claim == "not-checked")
    groups.append(Group("Not checked", "a sign may be there, but it could not be read here", unread))
    return [group for group in groups if group.rows]


def _row(row: Evidence) -> Row:
    data = printable_json(json.dumps(row.data, indent=2, ensure_ascii=False)) if row.data else ""
    return Row(SOURCES[row.source], CLAIMS[row.claim], row.claim, row.detail, data)


@cache
def environment(*more: Path) -> Environment:
    """The templates of this package, and of further folders; everything that is put in is escaped.

    A name's surrogates, which stand for bytes that are no UTF-8, cannot occur: records hold printable paths.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader([*more, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["places"] = PLACES
    found.filters["marked"] = marked
    return found


def marked(text: str) -> Markup:
    """A sentence as HTML, escaped; what stands between backticks becomes code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def asset(name: str) -> str:
    """The text of a style sheet or script of this package."""
    return (ASSETS / name).read_text(encoding="utf-8")


def render(template: str, **values: Any) -> str:
    """A template of this package as HTML."""
    return environment().get_template(template).render(**values)
