"""Foundations every room stands on: arrays, errors, cards, scores, moments, neighbours."""
