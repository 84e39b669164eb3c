"""A run as a page: what was trained, how it went, and how far its answers can be trusted."""
