"""The trust lists in force, and fetching them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import c2pa
import pytest
from typer.testing import CliRunner

from fauxto.cli import trust as command
from fauxto.errors import UsageError
from fauxto.provenance import trust
from fauxto.provenance.c2pa.library import settings
from fauxto.provenance.options import ProvenanceOptions
from fauxto.provenance.trust import ListSource, parse_list, trust_directory, trust_in_force, update_lists
from loopback import serving
from signed_files import MADE_BY_AI, Recipe, certify, fresh_maker, judged, maker, picture, sign


def sources(url: str) -> tuple[ListSource, ListSource]:
    """The official lists, from elsewhere."""
    signers, stamps = trust.OFFICIAL_LISTS
    return (
        ListSource(signers.file, signers.kind, f"{url}/signers"),
        ListSource(stamps.file, stamps.kind, f"{url}/stamps"),
    )


def test_no_list_is_in_force_until_one_is_fetched_or_named() -> None:
    assert trust_in_force(ProvenanceOptions()).lists == ()


def test_fetched_lists_are_in_force(data_home: Path) -> None:
    studio, stamps = fresh_maker("Studio"), certify("Stamps", "Stamps")
    signed = sign(picture(), studio, Recipe([MADE_BY_AI]))
    assert judged(signed)[2] == "unknown-signer"
    with serving(files={"/signers": b"# comment\n" + studio.root.pem, "/stamps": stamps.pem}) as site:
        update_lists(sources(site.url))
    assert judged(signed) == ("ai", "strong", "trusted")
    signers, times = trust_in_force(ProvenanceOptions()).lists
    assert (signers.kind, len(signers.certificates)) == ("manifest", 1)
    assert times.kind == "tsa"
    assert signers.path.is_relative_to(data_home)
    assert not list(trust_directory().glob("*.new"))


def test_an_authority_for_time_stamps_is_no_signer(data_home: Path) -> None:
    studio = fresh_maker("Studio")
    with serving(files={"/signers": certify("A", "A").pem, "/stamps": studio.root.pem}) as site:
        update_lists(sources(site.url))
    assert judged(sign(picture(), studio, Recipe([MADE_BY_AI])))[2] == "unknown-signer"


def test_the_setting_that_has_signers_checked_takes_effect(tmp_path: Path) -> None:
    studio = maker("Studio")
    path = tmp_path / "list.pem"
    path.write_bytes(studio.root.pem)
    signed = sign(picture(), studio, Recipe([MADE_BY_AI]))
    ours = settings(trust_in_force(ProvenanceOptions(trust_list=path)))

    def state(configuration: dict[str, Any]) -> str | None:
        context = c2pa.Context.from_dict(configuration)
        with c2pa.Reader("image/jpeg", io.BytesIO(signed), context=context) as reader:
            return str(reader.get_validation_state())

    assert state(ours) == "Trusted"
    assert state({**ours, "verify": {**ours["verify"], "verify_trust": False}}) != "Trusted"
    assert state({**ours, "trust": {}}) == "Valid"


def test_a_failed_update_changes_nothing(data_home: Path) -> None:
    old, new = certify("Old", "Old"), certify("New", "New")
    with serving(files={"/signers": old.pem, "/stamps": old.pem}) as site:
        update_lists(sources(site.url))
        before = [one.sha256 for one in trust_in_force(ProvenanceOptions()).lists]
        for bad in (b"", b"<html>not found</html>", new.pem[:200] + b"!" + new.pem[201:], b"x" * (9 << 20)):
            site.files |= {"/signers": new.pem, "/stamps": bad}
            with pytest.raises(UsageError):
                update_lists(sources(site.url))
            assert [one.sha256 for one in trust_in_force(ProvenanceOptions()).lists] == before


def test_offline_says_so_and_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"could not be fetched.*Nothing was changed.*--trust-list"):
        update_lists(sources("http://127.0.0.1:9"))


def test_the_official_addresses_are_https() -> None:
    for one in trust.OFFICIAL_LISTS:
        assert one.url.startswith("https://raw.githubusercontent.com/c2pa-org/conformance-public/")
        assert one.url.endswith(one.file)


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff" * 100])
def test_a_named_list_that_is_none_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.pem"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"list\.pem"):
        trust_in_force(ProvenanceOptions(trust_list=path))
    with pytest.raises(UsageError, match=r"missing\.pem"):
        trust_in_force(ProvenanceOptions(trust_list=tmp_path / "missing.pem"))
    with pytest.raises(UsageError):
        trust_in_force(ProvenanceOptions(trust_list=tmp_path))


def test_a_list_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "list.pem"
    for count in (1, 2):
        path.write_bytes(b"".join(certify(str(n), "x").pem for n in range(count)))
        assert len(trust_in_force(ProvenanceOptions(trust_list=path)).signers) == count


def test_the_data_folder_follows_the_platforms_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert trust_directory() == Path("/data/fauxto/trust")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    monkeypatch.setattr("sys.platform", "linux")
    assert trust_directory() == Path("/home/me/.local/share/fauxto/trust")
    monkeypatch.setattr("sys.platform", "darwin")
    assert trust_directory() == Path("/home/me/Library/Application Support/fauxto/trust")


def test_the_lists_as_published_are_understood() -> None:
    folder = Path(__file__).parents[4] / "shared" / "trust"
    if not folder.is_dir():
        pytest.skip("needs ../shared for the published trust lists")
    for name, least in (
        ("C2PA-TRUST-LIST.pem", 20),
        ("C2PA-TSA-TRUST-LIST.pem", 10),
        ("interim-anchors.pem", 20),
    ):
        assert len(parse_list((folder / name).read_bytes(), name)) >= least


# The command


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(command.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_command_shows_what_is_in_force(tmp_path: Path) -> None:
    nothing = shown()
    assert "Built-in table: 58 known issuing certificates" in nothing
    assert "No trust list is in force" in nothing
    assert "fauxto trust update" in nothing
    path = tmp_path / "list.pem"
    path.write_bytes(maker("Studio").root.pem)
    listed = shown("--trust-list", str(path))
    assert "Trust list for signing: 1 certificates" in listed
    assert trust_in_force(ProvenanceOptions(trust_list=path)).lists[0].sha256 in listed


def test_the_command_answers_in_json() -> None:
    found = json.loads(shown("--format", "json"))
    assert found["lists"] == []
    assert len(bytes.fromhex(found["built_in"]["sha256"])) == 32


def test_the_command_updates(monkeypatch: pytest.MonkeyPatch, data_home: Path) -> None:
    pem = certify("A", "A").pem
    with serving(files={"/signers": pem, "/stamps": pem}) as site:
        monkeypatch.setattr("fauxto.provenance.trust.OFFICIAL_LISTS", sources(site.url))
        monkeypatch.setattr(update_lists, "__defaults__", (sources(site.url),))
        assert shown("update").count("1 certificates") == 2
    assert shown().count("Trust list for") == 2


def test_the_command_fails_as_one_error() -> None:
    result = CliRunner().invoke(command.app, ["--trust-list", "/nonexistent.pem"])
    assert isinstance(result.exception, UsageError)
