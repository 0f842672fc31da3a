"""The Feast repo: what `feast apply` registers and Feast's own tools can browse."""
