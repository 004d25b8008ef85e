"""Back-up and restore of STATE_DIR in one file.

What belongs in it (`contents.py`), how it is written and read (`archive.py`), making one while services run
(`make.py`), putting one back (`restore.py`), in another place (`moved.py`).
"""
