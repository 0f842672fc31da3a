"""Pictures of fraud rings: SVG and HTML, built as trees, so that no id can break out of its place."""
