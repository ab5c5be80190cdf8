"""A program for a decoder's process that dies of a signal before it reads anything."""

from __future__ import annotations

import os
import signal

os.kill(os.getpid(), signal.SIGILL)
