"""The commands of `jobspan`: what a user types → questions → a screen or a document."""
