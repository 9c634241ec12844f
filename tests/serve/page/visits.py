"""What somebody at a browser does with the page, and what the browser notes meanwhile."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, FilePayload, Locator, Page, expect

expect.set_options(timeout=20_000)  # a machine may be busy with other tests
AXE = (Path(__file__).parent / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_HAND_OVER = """
([kind, files]) => {
    const held = new DataTransfer();
    for (const { name, type, content } of files)
        held.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, { type }));
    const target = document.querySelector("main");
    const options = { bubbles: true, cancelable: true };
    target.dispatchEvent(kind === "paste"
        ? new ClipboardEvent("paste", { ...options, clipboardData: held })
        : new DragEvent(kind, { ...options, dataTransfer: held }));
}
"""


def payload(name: str, content: bytes, kind: str = "image/png") -> FilePayload:
    """A file as Playwright puts it into an input."""
    return {"name": name, "mimeType": kind, "buffer": content}


@dataclass
class Visit:
    """A page that somebody looks at.

    Attributes:
        page: Playwright's.
        url: where it began.
        requested: every address that the browser asked for.
        faults: what the page's scripts threw, and what the console called an error.
    """

    page: Page
    url: str
    requested: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        # An answer of 4xx is noted by the browser itself; the tests of refusals look at it.
        if message.type in ("error", "warning") and "the server responded with a status" not in message.text:
            self.faults.append(message.text)

    def foreign(self) -> list[str]:
        """Addresses of other hosts."""
        home = urlsplit(self.url).netloc
        return [
            url
            for url in self.requested
            if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != home
        ]

    @property
    def cards(self) -> Locator:
        return self.page.locator("#cards .card")

    def choose(self, *files: FilePayload) -> None:
        """Choose files in the input and wait until all are judged."""
        before = self.cards.count()
        self.page.set_input_files("#files", files)
        self.wait_for(before + len(files))

    def hand_over(self, kind: str, *files: FilePayload) -> None:
        """Drop files on the page, or paste them."""
        sent = [
            {
                "name": one["name"],
                "type": one["mimeType"],
                "content": base64.b64encode(one["buffer"]).decode("ascii"),
            }
            for one in files
        ]
        self.page.evaluate(_HAND_OVER, [kind, sent])

    def wait_for(self, count: int) -> None:
        """Wait until this many cards are there and nothing is on its way."""
        expect(self.cards).to_have_count(count)
        expect(self.page.locator("#jobs li")).to_have_count(0)

    def card(self, name: str) -> Locator:
        """The card of a file."""
        return self.page.locator(".card").filter(has=self.page.locator(".file").get_by_text(name, exact=True))

    def verdicts(self) -> Sequence[str]:
        """What the cards say, in their order on the page."""
        return self.page.locator(".card .verdict").all_text_contents()

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2, levels A and AA, with everything unfolded."""
        self.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        self.page.evaluate(AXE)
        found: dict[str, Any] = self.page.evaluate(
            "(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", WCAG
        )
        assert found["passes"], "axe-core looked at nothing"
        return [
            f"{one['id']}: {node['html']} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def is_wider_than_its_window(self) -> bool:
        """Whether it scrolls sideways."""
        size = self.page.viewport_size
        assert size is not None
        # Not innerWidth: a phone's browser zooms out until that is as wide as the content.
        return bool(self.page.evaluate("document.documentElement.scrollWidth") > size["width"])
