"""What a node runs with: flags, environment, file and defaults, in units people write."""
