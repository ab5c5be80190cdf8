"""Parts of the benchmark audio_emotion."""
