"""What dead processes left in their flight records → the spans that they could not export."""
