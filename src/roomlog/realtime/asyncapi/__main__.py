"""Writes the document to standard output: `python -m roomlog.realtime.asyncapi`."""

import sys

from roomlog.realtime.asyncapi import encoded

sys.stdout.buffer.write(encoded())
