"""Parts of the benchmark names."""
