"""The contract between all parts: tables, and the only ways to read, write and publish them."""
