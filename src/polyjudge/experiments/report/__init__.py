"""What a report says: records of a run or a study become sections of a page; ``reports`` draws them."""
