"""The web page and the HTTP API of `unshine serve`; needs the extra `web`."""
