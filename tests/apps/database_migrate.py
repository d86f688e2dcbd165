"""Makes the schema of database_app.py, or changes it from 1 to 2 in one long transaction.

usage: database_migrate.py DATABASE create | DATABASE change SECONDS
"""

import sqlite3
import sys
import time

db = sqlite3.connect(sys.argv[1], isolation_level=None)
if sys.argv[2] == "create":
    db.execute("CREATE TABLE people (name TEXT)")
    db.execute("INSERT INTO people VALUES ('Grace Hopper')")
    db.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, path TEXT, version TEXT)")
else:
    began = time.monotonic()
    db.execute("BEGIN EXCLUSIVE")
    db.execute("ALTER TABLE people RENAME COLUMN name TO full_name")
    db.execute("UPDATE people SET full_name = upper(full_name)")
    print("changing", flush=True)
    time.sleep(max(0, float(sys.argv[3]) - (time.monotonic() - began)))
    db.execute("COMMIT")
