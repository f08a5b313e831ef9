"""Names that no manifest may hold, whoever sends it: each alone, and those that clash with one another."""

from __future__ import annotations

from typing import Final

BAD_PATHS: Final = {
    "empty": "",
    "absolute": "/etc/passwd",
    "upwards": "../x",
    "upwards inside": "a/../../x",
    "upwards at the end": "a/..",
    "here": "./a",
    "a double slash": "a//b",
    "a slash at the end": "a/",
    "NUL": "a\0b",
    "a line break": "a\nb",
    "delete": "a\x7f",
    "a backslash": "..\\x",
    "a surrogate": "a\ud800",
    "a device": "con",
    "a device with an ending": "dir/NUL.txt",
    "a device with a blank": "aux .h",
    "a numbered device": "COM1",
    "a long part": "x" * 256,
    "a long part in bytes": "é" * 128,
    "a long path": "/".join(["x" * 200] * 21),
    "a deep path": "/".join("x" * 65),
}

CLASHES: Final = {
    "twice the same": ["a", "a"],
    "but for case": ["README.md", "readme.md"],
    "but for case of folders": ["A/x", "a/y"],
    "but for case of folders far up": ["m/A/x/1", "m/a/y/1"],
    "a file and a folder": ["a", "a/b"],
    "a folder and a file": ["a/b", "a"],
    "a file and a folder but for case": ["a/B/c", "a/b"],
    "a sharp s": ["straße", "STRASSE"],
    "but for normal form": ["caf\u00e9", "cafe\u0301"],
    "but for normal form of folders": ["caf\u00e9/a", "cafe\u0301/b"],
    "but for normal form and case": ["CAF\u00c9", "cafe\u0301"],
    "but for the order of marks": ["a\u0323\u0302", "a\u0302\u0323"],
    "Hangul, composed and not": ["\ud55c", "\u1112\u1161\u11ab"],
    "a letter and its compatibility twin": ["\uf900", "\u8c48"],
    "an iota below, before and after a mark": ["\u1fc3\u0300", "\u1fc2"],
    "a file and a folder but for normal form": ["caf\u00e9/a", "cafe\u0301"],
}
