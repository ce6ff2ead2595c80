"""The demo: the whole path on real text and real images, end to end."""
