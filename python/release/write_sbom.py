#!/usr/bin/env python3
"""Write what a release's files are made of, as CycloneDX: write_sbom.py ROOT FOLDER SECONDS.

FOLDER holds the files, and gets sluice-VERSION.cdx.json. SECONDS is the time of the commit, since 1970. Files of one
commit give the same list.
"""

from __future__ import annotations

import hashlib
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

import facts

SCHEMA = SchemaVersion.V1_6


def library(root: Path, found: facts.Component) -> Component:
    number, purl = facts.package_version(root, found), None
    if found.debian:
        source = facts.output(root, "dpkg-query", "-W", "-f", "${source:Package}", found.debian)
        purl = PackageURL("deb", "debian", source, number, {"arch": "source"})
    elif found.pip:
        purl = PackageURL("pypi", None, found.pip, number)
    return Component(name=found.name, version=number, type=ComponentType.LIBRARY, bom_ref=found.name, purl=purl,
                     licenses=[LicenseFactory().make_from_string(found.licence)])


def file(path: Path) -> Component:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Component(name=path.name, type=ComponentType.FILE, bom_ref=path.name,
                     hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
                     licenses=[LicenseFactory().make_from_string("Apache-2.0")])


def make_bom(root: Path, paths: list[Path], seconds: int) -> Bom:
    number = facts.version(root)
    ours = Component(name="sluice", version=number, type=ComponentType.LIBRARY, bom_ref="sluice",
                     licenses=[LicenseFactory().make_from_string("Apache-2.0")])
    found = facts.components(root)
    libraries = {component.name: library(root, component) for component in found}
    files = {path.name: file(path) for path in paths}
    dependencies = [Dependency(ours.bom_ref, [Dependency(each.bom_ref) for each in files.values()])]
    for name, each in files.items():
        parts = set(facts.parts_of(name))
        dependencies.append(Dependency(each.bom_ref, [
            Dependency(libraries[component.name].bom_ref) for component in found if component.parts & parts]))
    dependencies += [Dependency(each.bom_ref) for each in libraries.values()]
    digests = "".join(sorted(str(hashed.content) for each in files.values() for hashed in each.hashes))
    return Bom(components=[*libraries.values(), *files.values()], dependencies=dependencies,
               serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digests),
               metadata=BomMetaData(component=ours, timestamp=datetime.fromtimestamp(seconds, timezone.utc)))


def main() -> None:
    root, folder, seconds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    target = folder / f"sluice-{facts.version(root)}.cdx.json"
    paths = sorted(path for path in folder.iterdir() if path != target and path.name != "SHA256SUMS")
    text = make_outputter(make_bom(root, paths, seconds), OutputFormat.JSON, SCHEMA).output_as_string(indent=2)
    fault = JsonStrictValidator(SCHEMA).validate_str(text)
    if fault is not None:
        raise facts.ReleaseError(f"{target.name} breaks the schema: {fault}")
    target.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    try:
        main()
    except facts.ReleaseError as error:
        sys.exit(f"error: {error}")
