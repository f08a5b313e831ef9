"""The store's content laid out as a client expects it. Made by the user's own process, with its rights."""
