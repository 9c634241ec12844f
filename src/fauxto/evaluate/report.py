"""The report: one HTML page that needs nothing beside itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from fauxto.evaluate import plots
from fauxto.evaluate.schema import (
    Comparison,
    DataInfo,
    Estimate,
    Figures,
    Metrics,
    ModelInfo,
    ModelResult,
    Proportion,
    SourceRow,
)
from fauxto.images import printable

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { font-weight: 600; } tbody th { font-weight: 400; }
code { overflow-wrap: anywhere; } p, li { max-width: 44rem; } .range { opacity: .7; white-space: nowrap; }
.plots, .sheet { display: flex; flex-wrap: wrap; gap: 1rem; }
.plots figure { flex: 1 1 19rem; max-width: 30rem; margin: 0; } .plots svg { width: 100%; height: auto; }
.sheet figure { width: 9rem; margin: 0; font-size: .8rem; overflow-wrap: anywhere; }
.sheet img { width: 100%; background: var(--soft); image-rendering: pixelated; }
.sheet img.large { image-rendering: auto; }
@media (max-width: 40rem) { table { font-size: .8rem; } th, td { padding-right: .5rem; }
  .range { white-space: normal; } }
.note { background: var(--soft); padding: .6rem .9rem; border-radius: .4rem; }
"""

_FIGURE_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "tpr_at_1_percent_fpr": "true-positive rate at 1 % false positives",
    "tpr_at_0_1_percent_fpr": "true-positive rate at 0.1 % false positives",
    "calibration_error": "expected calibration error (15 equal-width bins)",
}


@dataclass(frozen=True)
class Mistake:
    """An image that the model got most confidently wrong.

    Attributes:
        name: of the image.
        source: of the image, or ''.
        label: 1 for AI-generated.
        score: what the model gave it.
        png: a small copy, encoded.
        width: of the image itself, in pixels.
        height: the same.
    """

    name: str
    source: str
    label: int
    score: float
    png: bytes
    width: int
    height: int


def render(metrics: Metrics, mistakes: Sequence[Mistake]) -> str:
    """The page.

    Args:
        metrics: everything that was measured.
        mistakes: of the first model, most confident first.
    """
    result = metrics.result
    results = [result] if metrics.comparison is None else [result, metrics.comparison.second]
    title = f"{_named(result)} on {metrics.data.name}"
    sections = [
        f"<h1>{_text(title)}</h1>",
        _summary(result),
        _identity(metrics, results),
        _figures(results),
        _comparison(metrics.comparison, result),
        *[_about(one, heading=len(results) > 1) for one in results],
        _curves(results),
        _robustness(results),
        _contact_sheet(mistakes, result),
    ]
    return _PAGE.format(title=_text(title), style=_STYLE, body="\n".join(filter(None, sections)))


# The policy makes browsers refuse any request, should one ever slip in.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _named(result: ModelResult) -> str:
    return f"{result.model.name} {result.model.version}"


def _estimate(found: Estimate, percent: bool = True) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "–"
    return _with_range(found.value, found.low, found.high, percent)


def _proportion(found: Proportion) -> str:
    if found.rate is None or found.low is None or found.high is None:
        return "–"
    return f"{found.count} of {found.total}: {_with_range(found.rate, found.low, found.high)}"


def _with_range(value: float, low: float, high: float, percent: bool = True) -> str:
    if percent:
        low_to_high = f"{_percent(low, 2)} to {_percent(high, 2)}"
        return f'{_percent(value, 2)} <span class="range">({low_to_high})</span>'
    return f'{value:.4f} <span class="range">({low:.4f} to {high:.4f})</span>'


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the first of each row names it."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>'


def _summary(result: ModelResult) -> str:
    verdicts = result.verdicts
    ai, not_ai = verdicts.by_class
    parts = []
    if ai.ai.total:
        parts.append(f"Of the AI-generated images {_share(ai.ai)} got the verdict <code>ai</code>")
    if not_ai.ai.total:
        parts.append(f"of the others {_share(not_ai.ai)} did")
    sentence = ", ".join(parts)
    sentence = sentence[:1].upper() + sentence[1:]
    abstained = _percent(verdicts.abstentions.value or 0.0, 1)
    return f'<p class="note">{sentence}; {abstained} of all images got <code>uncertain</code>.</p>'


def _share(found: Proportion) -> str:
    return _percent(found.rate or 0.0, 1)


def _percent(rate: float, digits: int) -> str:
    return f"{100 * rate:.{digits}f}\N{NO-BREAK SPACE}%"


def _identity(metrics: Metrics, results: Sequence[ModelResult]) -> str:
    data = metrics.data
    rows = [
        ("Data", f"{_text(data.name)}{_part(data)}"),
        ("Data set fingerprint", f"<code>{data.fingerprint}</code>"),
        ("Images", f"{data.images}: {data.ai} AI-generated, {data.not_ai} not"),
        ("Unreadable, in no figure", _unreadable(data)),
        ("Byte-identical copies among them", str(data.duplicates)),
    ]
    for one in results:
        model = one.model
        rows += [
            ("Model", f"{_text(_named(one))}; {_thresholds(model)}"),
            ("SHA-256 of model.onnx", f"<code>{model.sha256}</code>"),
            ("Inside its domain", f"{one.scored} images; {one.outside_domain} outside, not scored"),
        ]
    rows += [
        ("Seed, bootstrap resamples", f"{metrics.seed}, {metrics.resamples}"),
        ("Command", f"<code>{_text(metrics.command or 'called from Python')}</code>"),
        ("fauxto", _text(metrics.fauxto)),
    ]
    return "<h2>What was measured</h2>" + _table(("", ""), rows)


def _thresholds(model: ModelInfo) -> str:
    if model.ai_threshold is None or model.no_sign_threshold is None:
        return "no thresholds are set, so that every verdict is <code>uncertain</code>"
    return f"ai from {model.ai_threshold:.4f}, no-sign below {model.no_sign_threshold:.4f}"


def _part(data: DataInfo) -> str:
    split = f", split {_text(data.split)}" if data.split else ""
    return split + (f", limited to {data.limit} images" if data.limit else "")


def _unreadable(data: DataInfo) -> str:
    shown = ", ".join(f"{_text(one.name)} ({_text(one.code)})" for one in data.unreadable[:10])
    more = f" and {len(data.unreadable) - 10} more" if len(data.unreadable) > 10 else ""
    return f"{len(data.unreadable)}{': ' if shown else ''}{shown}{more}"


def _figures(results: Sequence[ModelResult]) -> str:
    columns = [one.figures for one in results]
    head = [_text(_named(one)) for one in results]
    note = (
        "Over the images with a score. Where a decision is needed, a score of 0.5 or more counts as AI. In "
        "brackets: 95 % intervals by a stratified bootstrap. The positive class is AI-generated."
    )
    if all(one.tpr_at_0_1_percent_fpr.value is None for one in columns):
        note += " The rate at 0.1 % false positives needs 1,000 images that are not AI-generated."
    return f"<h2>Figures at 0.5</h2><p>{note}</p>" + _figure_table(head, columns)


def _figure_table(head: Sequence[str], columns: Sequence[Figures]) -> str:
    plain = {"auroc", "average_precision", "calibration_error"}
    rows = [
        (word, *(_estimate(getattr(column, name), percent=name not in plain) for column in columns))
        for name, word in _FIGURE_NAMES.items()
    ]
    return _table(("", *head), rows)


def _comparison(comparison: Comparison | None, first: ModelResult) -> str:
    if comparison is None:
        return ""
    names = [_text(_named(first)), _text(_named(comparison.second))]
    test, area = comparison.mcnemar, comparison.delong
    # Where no domain left anything out, the table of figures above is already this one.
    same = {comparison.common_images} == {first.scored, comparison.second.scored}
    table = _figure_table(names, (comparison.first_figures, comparison.second_figures))
    sentences = [
        f"<p>Both gave a score to {comparison.common_images} images; the tests are on these.</p>",
        "" if same else table,
        f"<p>McNemar’s exact test at 0.5: only the first is right on {test.only_first} images, "
        f"only the second on {test.only_second}; p = {_p_value(test.p_value)}.</p>",
    ]
    if area is not None:
        sentences.append(
            f"<p>DeLong’s test: AUROC {area.first:.4f} against {area.second:.4f}, difference "
            f"{area.difference:+.4f} ({area.low:+.4f} to {area.high:+.4f}), p = {_p_value(area.p_value)}.</p>"
        )
    return "<h2>Side by side</h2>" + "".join(sentences)


def _p_value(value: float) -> str:
    return "below 0.0001" if value < 1e-4 else f"{value:.4f}"


def _about(result: ModelResult, heading: bool) -> str:
    name = f" of {_text(_named(result))}" if heading else ""
    return "".join(
        [
            f"<h2>Verdicts{name}</h2>",
            _verdicts(result),
            f"<h2>By source{name}, worst first</h2>",
            "<p>With exact binomial 95 % intervals. At 0.5: of the images with a score; verdict: of all.</p>",
            _sources("AI-generated: recall", result.ai_sources),
            _sources("Not AI-generated: false positives", result.not_ai_sources),
            f"<h2>Confusion matrix and classification report{name}, at 0.5</h2>",
            _confusion(result),
        ]
    )


def _verdicts(result: ModelResult) -> str:
    rows = [
        (
            "AI-generated" if one.label == "ai" else "not AI-generated",
            *map(_proportion, (one.ai, one.uncertain, one.no_sign, one.outside_domain)),
        )
        for one in result.verdicts.by_class
    ]
    return (
        "<p>By the model’s own frozen thresholds. <code>uncertain</code> is an abstention; images outside "
        "the model’s domain are among them.</p>"
        + _table(("", "ai", "uncertain", "no-sign", "outside the domain"), rows)
        + f"<p>Abstentions: {_estimate(result.verdicts.abstentions)}; right on the rest: "
        f"{_estimate(result.verdicts.accuracy_on_the_rest)}.</p>"
    )


def _sources(title: str, sources: Sequence[SourceRow]) -> str:
    rows = [
        (
            _text(one.source or "(no source given)"),
            str(one.images),
            _proportion(one.called_ai),
            _proportion(one.verdict_ai),
        )
        for one in sources
    ]
    return _table((title, "images", "called AI at 0.5", "verdict ai"), rows) if rows else ""


def _confusion(result: ModelResult) -> str:
    counts = result.confusion
    matrix = [
        ("AI-generated", str(counts.ai_called_ai), str(counts.ai_called_not_ai)),
        ("not AI-generated", str(counts.not_ai_called_ai), str(counts.not_ai_called_not_ai)),
    ]
    report = [
        (row.name, f"{row.precision:.4f}", f"{row.recall:.4f}", f"{row.f1:.4f}", str(row.images))
        for row in result.classification_report
    ]
    return _table(("", "called AI", "not called AI"), matrix) + _table(
        ("", "precision", "recall", "F1", "images"), report
    )


def _curves(results: Sequence[ModelResult]) -> str:
    drawn = [("Calibration", plots.calibration(results))]
    if results[0].roc.x:
        drawn.insert(0, ("Precision and recall", plots.precision_recall(results)))
        drawn.insert(0, ("ROC", plots.roc(results)))
    figures = "".join(f"<figure><figcaption>{title}</figcaption>{svg}</figure>" for title, svg in drawn)
    return f'<h2>Curves</h2><div class="plots">{figures}</div>'


def _robustness(results: Sequence[ModelResult]) -> str:
    if not any(result.robustness for result in results):
        return ""
    parts = [
        "<h2>Under degradation</h2><p>The same change to every image of both classes. A flip is a verdict "
        "that differs from that on the clean image.</p>"
    ]
    drawn = [plots.robustness(results, "flip_rate", "share of verdicts that flip")]
    if any(rung.auroc.value is not None for result in results for rung in result.robustness):
        drawn.insert(0, plots.robustness(results, "auroc", "AUROC"))
    parts.append('<div class="plots">' + "".join(f"<figure>{svg}</figure>" for svg in drawn) + "</div>")
    for result in results:
        rows = [
            (
                _text(rung.label) + (" (small images)" if rung.ladder == "small" else ""),
                f"{rung.scored} of {rung.images}",
                _estimate(rung.auroc, percent=False),
                _estimate(rung.accuracy),
                _estimate(rung.flip_rate),
            )
            for rung in result.robustness
        ]
        parts.append(_table((_text(_named(result)), "scored", "AUROC", "accuracy", "flips"), rows))
    return "".join(parts)


def _contact_sheet(mistakes: Sequence[Mistake], result: ModelResult) -> str:
    head = "<h2>Most confident mistakes</h2>"
    if not mistakes:
        return head + "<p>None: every image with a score lies on the right side of 0.5.</p>"
    figures = "".join(_tile(mistake) for mistake in mistakes)
    return f'{head}<p>Of {_text(_named(result))}, at 0.5.</p><div class="sheet">{figures}</div>'


def _tile(mistake: Mistake) -> str:
    encoded = base64.b64encode(mistake.png).decode("ascii")
    size = ' class="large"' if max(mistake.width, mistake.height) > 128 else ""
    truth = "AI-generated" if mistake.label == 1 else "not AI-generated"
    source = f", {_text(mistake.source)}" if mistake.source else ""
    return (
        f'<figure><img{size} src="data:image/png;base64,{encoded}" alt="{_text(mistake.name)}">'
        f"<figcaption>score {mistake.score:.4f}; {truth}{source}<br>{_text(mistake.name)}, "
        f"{mistake.width}×{mistake.height}</figcaption></figure>"
    )
