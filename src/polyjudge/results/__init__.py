"""What a run's or study's folder holds, written and read."""
