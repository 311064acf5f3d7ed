"""`wherry inspect`."""

import sys
from typing import Any

import click

from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.cli.sizes import size
from wherry.cli.tables import columns, printable
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind, kind_of
from wherry.ops.inspect import Child, Inspection
from wherry.ops.inspect import inspect as look
from wherry.stores.locations import Location, parse_location

__all__ = ["inspect"]


@click.command(short_help="Show what a reference leads to: platforms, sizes, digests.")
@click.argument("reference")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--raw", is_flag=True, help="Print the manifest's own bytes, and nothing else.")
@insecure_option
def inspect(reference: str, *, as_json: bool, raw: bool, insecure: bool) -> None:
    """Show what REFERENCE leads to: an index with its platforms, an image with its layers, an artifact.

    REFERENCE is REGISTRY/REPOSITORY[:TAG][@DIGEST], or on this machine oci:DIR[:TAG] for an OCI layout,
    oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME[:TAG]] for an archive.
    """
    if as_json and raw:
        raise click.UsageError("--json and --raw exclude each other")
    location = parse_location(reference)
    if raw:
        sys.stdout.buffer.write(run(_manifest(location, insecure=insecure)).content)
        return
    place, found = run(_look(location, insecure=insecure))
    if as_json:
        print_json(_document(place, found))
    else:
        click.echo("\n".join(_lines(place, found)))


async def _manifest(location: Location, *, insecure: bool) -> Manifest:
    async with open_client(insecure=insecure) as client:
        source = location.open(client.mirrored)
        return await source.manifest(await location.name(source))


async def _look(location: Location, *, insecure: bool) -> tuple[str, Inspection]:
    """What is there, and its place with the name that was meant."""
    async with open_client(insecure=insecure) as client:
        source = location.open(client.mirrored)
        name = await location.name(source)
        place = location if isinstance(name, Digest) else location.at(name)
        return str(place), await look(source, name)


def _lines(place: str, found: Inspection) -> list[str]:
    manifest = found.manifest
    view = manifest.view
    facts = [
        ("Reference:", place),
        ("Digest:", str(manifest.digest)),
        ("Media type:", printable(f"{manifest.media_type} ({manifest.kind.value})")),
    ]
    if view.artifact_type and manifest.document.get("artifactType"):
        facts.append(("Artifact type:", printable(view.artifact_type)))
    if view.subject:
        facts.append(("Subject:", str(view.subject.digest)))
    facts += _config_facts(found)
    lines = columns(facts)
    if manifest.kind is Kind.INDEX:
        lines += ["", *_children(found.children)]
    elif manifest.kind is Kind.SCHEMA1:
        lines += ["", "LAYER", *map(str, view.fs_layers)]
    else:
        lines += ["", *_layers(view.layers, manifest.kind)]
    lines += _mapping("Annotations", view.annotations or {})
    return lines + (_mapping("Labels", dict(found.config.labels)) if found.config else [])


def _config_facts(found: Inspection) -> list[tuple[str, str]]:
    """What is said of an image beside its layers."""
    view, config = found.manifest.view, found.config
    facts: list[tuple[str, str]] = []
    if config:
        facts.append(("Platform:", printable(str(config.platform)) or "not stated"))
        if config.created:
            facts.append(("Created:", printable(config.created)))
    if view.config:
        facts.append(("Config:", f"{view.config.digest} ({size(view.config.size)})"))
    if found.problem:
        facts.append(("Problem:", printable(found.problem)))
    if view.layers:
        count = len(view.layers)
        what = f"{'blob' if found.manifest.kind is Kind.ARTIFACT else 'layer'}{'' if count == 1 else 's'}"
        facts.append(("Size:", f"{size(sum(layer.size for layer in view.layers))} in {count} {what}"))
    return facts


def _children(children: tuple[Child, ...]) -> list[str]:
    if not children:
        return ["no manifests: the index is empty"]
    rows = [("PLATFORM", "DIGEST", "")]
    for child in children:
        rows.append((_platform(child.descriptor), str(child.descriptor.digest), _note(child.descriptor)))
        rows += [("  attestation", str(each.digest), "") for each in child.attestations]
    return columns(rows)


def _platform(entry: Descriptor) -> str:
    return printable(str(entry.platform)) if entry.platform and str(entry.platform) else "-"


def _note(entry: Descriptor) -> str:
    """What an entry is, where it is not simply an image."""
    kind = kind_of(entry.media_type)
    what = printable(entry.media_type) if kind is None else "" if kind is Kind.IMAGE else kind.value
    return printable(entry.artifact_type) if entry.artifact_type and not what else what


def _layers(layers: tuple[Descriptor, ...], kind: Kind) -> list[str]:
    title = "BLOB" if kind is Kind.ARTIFACT else "LAYER"
    if not layers:
        return [f"no {title.lower()}s"]
    rows = [(title, "SIZE", "")]
    rows += [(str(layer.digest), size(layer.size), _layer_note(layer)) for layer in layers]
    return columns(rows)


def _layer_note(layer: Descriptor) -> str:
    where = f", from {', '.join(layer.urls)}" if layer.is_foreign else ""
    return printable(layer.media_type + where)


def _mapping(title: str, values: Any) -> list[str]:
    if not values:
        return []
    return ["", f"{title}:", *(f"  {printable(name)}: {printable(value)}" for name, value in values.items())]


def _document(place: str, found: Inspection) -> dict[str, Any]:
    """The JSON form. Descriptors are as in the manifest; fields that do not apply are left out."""
    manifest = found.manifest
    view = manifest.view
    document: dict[str, Any] = (
        {"reference": place} | manifest.descriptor.to_json() | {"kind": manifest.kind.name.lower()}
    )
    if manifest.kind is Kind.INDEX:
        document["manifests"] = [
            child.descriptor.to_json() | {"attestations": [each.to_json() for each in child.attestations]}
            for child in found.children
        ]
    elif manifest.kind is Kind.SCHEMA1:
        document["layers"] = [{"digest": str(digest)} for digest in view.fs_layers]
    else:
        document["layers"] = [layer.to_json() for layer in view.layers]
    if view.config:
        document["config"] = view.config.to_json()
    if view.artifact_type and manifest.document.get("artifactType"):
        document["artifactType"] = view.artifact_type
    if view.subject:
        document["subject"] = view.subject.to_json()
    if view.annotations:
        document["annotations"] = dict(view.annotations)
    if found.config:
        document["platform"] = found.config.platform.to_json()
        document["created"] = found.config.created
        document["labels"] = dict(found.config.labels)
    if found.problem:
        document["problem"] = found.problem
    return document
