"""What travels in the `/v2/` API, as pure code: bytes and headers in, values out. Client and server share it."""
