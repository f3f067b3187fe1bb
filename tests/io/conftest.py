"""Lets the tests here import `made`, which makes their files."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
