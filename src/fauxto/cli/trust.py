"""`fauxto trust`: whose Content Credentials are believed, and `fauxto trust update`."""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    invoke_without_command=True,
    help="Show whose Content Credentials are believed: the built-in table and the trust lists in force.",
)


class OutputFormat(str, Enum):
    """How `trust` answers."""

    table = "table"
    json = "json"


@app.callback()
def trust(
    context: typer.Context,
    trust_list: Annotated[
        Path | None,
        typer.Option("--trust-list", metavar="PEM", help="Also show what this list would put in force."),
    ] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to answer.")] = OutputFormat.table,
) -> None:
    """Show whose Content Credentials are believed: the built-in table and the trust lists in force."""
    if context.invoked_subcommand is not None:
        return
    found = _in_force(trust_list)
    typer.echo(json.dumps(found, indent=2) if output is OutputFormat.json else _as_text(found))


@app.command()
def update() -> None:
    """Fetch the official C2PA trust lists over the network into your data folder.

    Until you run it, no list is in force, and signers are recognised by the built-in table alone.

    Beside this, fauxto goes online only where you ask for what lies there: --allow-network; an object store
    or a Ray cluster that scan is given; models import hf:...; data download, stream and align; and train on
    pretrained weights.
    """
    from fauxto.provenance.trust import update_lists

    for one in update_lists().lists:
        typer.echo(f"{one.path}: {len(one.certificates)} certificates, sha256 {one.sha256}")


def _in_force(trust_list: Path | None) -> dict[str, Any]:
    """The table and the lists, as JSON values."""
    from fauxto.provenance.options import ProvenanceOptions
    from fauxto.provenance.signers import KNOWN_ISSUERS_FILE, known_issuers
    from fauxto.provenance.trust import trust_directory, trust_in_force

    lists = trust_in_force(ProvenanceOptions(trust_list=trust_list)).lists
    return {
        "built_in": {
            "issuers": len(known_issuers()),
            "sha256": hashlib.sha256(KNOWN_ISSUERS_FILE.read_bytes()).hexdigest(),
        },
        "lists": [
            {
                "path": str(one.path),
                "trusted_for": {"manifest": "signing", "tsa": "time stamps"}[one.kind],
                "certificates": len(one.certificates),
                "date": one.date,
                "sha256": one.sha256,
            }
            for one in lists
        ],
        "folder": str(trust_directory()),
    }


def _as_text(found: dict[str, Any]) -> str:
    built_in = found["built_in"]
    lines = [
        f"Built-in table: {built_in['issuers']} known issuing certificates (they make a signer known,"
        " not trusted)",
        f"  sha256 {built_in['sha256']}",
    ]
    for one in found["lists"]:
        lines += [
            f"Trust list for {one['trusted_for']}: {one['certificates']} certificates, of {one['date']}",
            f"  {one['path']}",
            f"  sha256 {one['sha256']}",
        ]
    if not found["lists"]:
        lines.append("No trust list is in force: `fauxto trust update` fetches the official ones,")
        lines.append(f"  over the network, into {found['folder']}")
    return "\n".join(lines)
