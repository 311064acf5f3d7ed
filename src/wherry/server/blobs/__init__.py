"""Where blobs' bytes are."""
