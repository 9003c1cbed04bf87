"""Checks a bill of materials against CycloneDX's own JSON schema, strictly: sbom.py FILE."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

with open(sys.argv[1], encoding="utf-8") as file:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read())
if error:
    sys.exit(f"error: the bill of materials does not fit CycloneDX 1.6: {error}")
