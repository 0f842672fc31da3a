"""The model card: what a risk committee reads of one model, as one HTML file that needs nothing else."""
