"""Upgrade: what to do with a collection when its encoder changes."""
