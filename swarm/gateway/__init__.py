"""Local HTTP endpoints that speak a hub's own API: one file per endpoint family. Still to come."""
