"""Wherry beside its peers: the same content, on the same machine, in one run, in turn. See bench/README.md."""
