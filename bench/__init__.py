"""`make bench`: this project beside the floor that its broker and disk set, and beside Flower, in one run."""
