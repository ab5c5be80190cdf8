"""Decoders of audio and pictures by name; the program of the process that runs them.

    python -m jobs.encoders.decoder_table MEMORY_MIB MAX_CPU_S

content_decoding.py starts it; jobs/decoding/serving.py says what it reads and answers.
"""

from __future__ import annotations

import sys

from jobs.decoding.serving import Decoder, serve
from jobs.encoders.audio.decoding import audio_file, recording
from jobs.encoders.image import image_file

DECODERS: dict[str, Decoder] = {
    "audio": audio_file.decode,
    "recording": recording.decode,
    "recording_excerpts": recording.decode_without_loudness,
    "square_image": image_file.decode,
    "image": image_file.decode_whole,
}

if __name__ == "__main__":
    serve(DECODERS, int(sys.argv[1]), float(sys.argv[2]))
