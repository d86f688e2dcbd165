"""GET / names the version, POST /echo sends the body back."""

import os

VERSION = os.environ["VERSION"]


def app(environ, start_response):
    if environ["PATH_INFO"] == "/echo":
        body = environ["wsgi.input"].read()
    else:
        body = f"version {VERSION}\n".encode()
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/plain"),
            ("Content-Length", str(len(body))),
            ("X-Version", VERSION),
        ],
    )
    return [body]
