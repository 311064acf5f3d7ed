"""Repositories, tags, manifests, and which repository holds which blob."""
