"""The contract between all parts: tables, and the only ways to read, write and publish them."""

from feature_store.publishing.snapshot import open_snapshot

__all__ = ["open_snapshot"]
