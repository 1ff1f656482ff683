"""Has pytest find the strategies of this folder, as the master does."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
