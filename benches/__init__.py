"""What it costs in time, each figure beside something measured in the same run. `make bench` prints it."""
