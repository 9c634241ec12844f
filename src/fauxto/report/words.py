"""What a verdict, a claim and a source are called to somebody who has never read about detectors."""

from __future__ import annotations

from dataclasses import dataclass

from fauxto.record import Claim, Source, Strength


@dataclass(frozen=True)
class Wording:
    """A verdict in words.

    Attributes:
        title: the answer.
        meaning: what it does and does not say.
        advice: what to do now, in order.
        rank: place in a table that begins with what most asks for attention.
    """

    title: str
    meaning: str
    advice: tuple[str, ...]
    rank: int


_SOURCE_FIRST = "Find where the picture first appeared: an image search shows older and larger copies."

VERDICTS: dict[str, Wording] = {
    "ai": Wording(
        "Likely made by AI",
        "Something in the file or in the picture speaks for a generative model. The reason says what it is.",
        (
            "Read the reason: a signed statement of the maker is strong, a label that anybody can write is "
            "not, and a model's score can be wrong.",
            "Before you call it out or take it down, look for a second, independent sign.",
            _SOURCE_FIRST,
        ),
        0,
    ),
    "ai-edited": Wording(
        "Likely edited with AI",
        "The file says that a part of the picture was changed or added by a generative model.",
        (
            "Look for an earlier version: the original may be a photograph of something else.",
            "Ask whoever published it which part was changed, and why.",
            _SOURCE_FIRST,
        ),
        1,
    ),
    "uncertain": Wording(
        "Cannot tell",
        "What was found does not decide it, or no model here is made for this picture. It may be either.",
        (
            "Look for a larger or earlier copy and check that one: copies lose what could be read.",
            "Look closely at what generators still get wrong: writing, hands, jewellery, repeated patterns, "
            "shadows and reflections that do not fit together.",
            _SOURCE_FIRST,
        ),
        2,
    ),
    "no-sign": Wording(
        "No sign of AI found",
        "Nothing was found. That does not prove that no AI was used: signs can be removed, and new "
        "generators can be unknown to the model.",
        (
            "Do not quote this as proof of a photograph: it is the absence of signs, no more.",
            "If much depends on it, check the original file rather than a copy from a social network.",
            _SOURCE_FIRST,
        ),
        3,
    ),
    "error": Wording(
        "Could not be read",
        "No judgement was made.",
        ("Save or download the picture again, or open it in an image program and save it as PNG or JPEG.",),
        4,
    ),
}

SOURCES: dict[Source, str] = {
    "c2pa": "Content Credentials",
    "iptc": "IPTC label",
    "generator": "Traces of a generator program",
    "aigc": "AIGC label",
    "stealth": "Data hidden in the pixels",
    "watermark": "Watermark",
    "camera": "Camera data",
    "face": "Face model",
}

CLAIMS: dict[Claim, str] = {
    "ai": "says: made by AI",
    "ai-edited": "says: edited with AI",
    "camera": "says: taken by a camera",
    "other": "makes no claim",
    "not-checked": "could not be checked",
}

STRENGTHS: dict[Strength, tuple[str, str]] = {
    "strong": ("Strong", "signed, and only the signer holds the key"),
    "moderate": ("Moderate", "counts, but anybody could have written it"),
    "weak": ("Weak", "shown for your own judgement; decides nothing"),
}


@dataclass(frozen=True)
class Place:
    """Another site that may help, as a link that the person may follow."""

    name: str
    url: str
    what: str


PLACES: tuple[Place, ...] = (
    Place(
        "Google's check for SynthID",
        "https://gemini.google.com/",
        "upload the picture in Gemini and ask whether it was made with Google AI; it reads Google's "
        "watermark SynthID and wants you to be signed in",
    ),
    Place(
        "OpenAI's check",
        "https://openai.com/verify",
        "reads the watermark (SynthID, too) and the credentials of pictures made with OpenAI's tools",
    ),
    Place(
        "Content Credentials Verify",
        "https://contentcredentials.org/verify",
        "shows a signed history, if the file has one",
    ),
    Place("TinEye", "https://tineye.com/", "finds earlier copies of a picture"),
    Place("Google Images", "https://images.google.com/", "finds pages that show it"),
    Place(
        "Fact Check Explorer",
        "https://toolbox.google.com/factcheck/explorer/search/list:recent;hl=en",
        "searches what fact-checkers have written, by words or by picture",
    ),
    Place(
        "r/isthisAI",
        "https://www.reddit.com/r/isthisAI/",
        "people who look closely and explain what they see",
    ),
)
