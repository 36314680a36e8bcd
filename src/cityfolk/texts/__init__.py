"""What any room may ask about many texts: their words as numbers, and which are near copies of another."""
