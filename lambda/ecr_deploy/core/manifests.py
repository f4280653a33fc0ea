"""Manifests: what an image manifest says of what it describes."""

import json
from collections.abc import Mapping
from typing import Any


def artifact_of(manifest: object) -> object:
    """The type of what a manifest describes; None for an index, or where the manifest does not say.

    https://github.com/opencontainers/image-spec/blob/main/manifest.md
    """
    try:
        content = json.loads(manifest) if isinstance(manifest, str) else None
    except (ValueError, RecursionError):
        return None
    return content.get("artifactType") or _config(content).get("mediaType") if isinstance(content, Mapping) else None


def parts_of(manifest: str) -> list[str]:
    """The digests of the images that an index is made of, without attestations; none of what is no index.

    https://github.com/opencontainers/image-spec/blob/main/image-index.md
    """
    try:
        content = json.loads(manifest)
    except (ValueError, RecursionError):
        return []
    listed = content.get("manifests") if isinstance(content, Mapping) else None
    return [
        str(part["digest"])
        for part in (listed if isinstance(listed, list) else ())
        if isinstance(part, Mapping) and part.get("digest") and not _is_attestation(part)
    ]


def _is_attestation(part: Mapping[str, Any]) -> bool:
    annotations = part.get("annotations")
    kind = annotations.get("vnd.docker.reference.type") if isinstance(annotations, Mapping) else None
    return kind == "attestation-manifest"


def _config(content: Mapping[str, Any]) -> Mapping[str, Any]:
    config = content.get("config")
    return config if isinstance(config, Mapping) else {}
