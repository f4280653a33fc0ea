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


def _config(content: Mapping[str, Any]) -> Mapping[str, Any]:
    config = content.get("config")
    return config if isinstance(config, Mapping) else {}
