"""An app with a SQLite schema: SCHEMA 1 knows people.name, SCHEMA 2 people.full_name.

Every request but /up reads the schema and writes down that it came, there and in a line on standard
output; when the schema is not its own, or somebody else keeps the database, it answers 500. POST /echo
sends the body back. A connection serves one request: the listener's queue then keeps their order.
usage: database_app.py SOCKET DATABASE SCHEMA
"""

import asyncio
import os
import sqlite3
import sys
import time

SOCKET, DATABASE, SCHEMA = sys.argv[1:4]
COLUMN = "name" if SCHEMA == "1" else "full_name"
db = sqlite3.connect(DATABASE, isolation_level=None, timeout=5)
db.execute("PRAGMA synchronous = OFF")
db.execute("PRAGMA busy_timeout = 200")


def answer(path, body):
    if path == "/up":
        return 200, b"OK\n"
    print(time.monotonic_ns(), path, flush=True)
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute(f"SELECT {COLUMN} FROM people").fetchone()
        db.execute(
            "INSERT INTO visits (path, version) VALUES (?, ?)", (path, SCHEMA)
        )
        db.execute("COMMIT")
    except sqlite3.Error as e:
        if db.in_transaction:
            db.execute("ROLLBACK")
        return 500, f"{e}\n".encode()
    return 200, body if path == "/echo" else f"version v{SCHEMA}\n".encode()


class Connection(asyncio.Protocol):
    def __init__(self):
        self.input = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.input += data
        end = self.input.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = self.input[:end].decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        body = self.input[end + 4 :]
        if len(body) < int(fields.get("content-length", 0)):
            return
        status, text = answer(lines[0].split(" ")[1], body)
        head = [f"HTTP/1.1 {status} .", f"Content-Length: {len(text)}", f"X-Version: v{SCHEMA}"]
        head = "\r\n".join(head + ["Connection: close", "", ""])
        self.transport.write(head.encode() + text)
        self.transport.close()


async def main():
    os.umask(0o111)
    server = await asyncio.get_running_loop().create_unix_server(Connection, SOCKET, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
