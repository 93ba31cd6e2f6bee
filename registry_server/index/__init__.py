"""The static index: prepared documents, the change feed, snapshots, exports and mirrors."""
