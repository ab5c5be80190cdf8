"""The feature store: table contracts, and the only readers, writers and publishers of tables."""

from feature_store.publishing.snapshot import open_snapshot

__all__ = ["open_snapshot"]
