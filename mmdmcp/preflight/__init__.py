"""What happens before a run: its config, its inputs, its place in a job."""
