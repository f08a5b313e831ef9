"""The read-only page and its JSON. Still to come."""
